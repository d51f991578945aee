"""Many machines as one table: each axis against the fleet's median, the odd one out first."""
