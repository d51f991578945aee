"""What is measured on: the fingerprint of a computer, as machine.json keeps it."""
