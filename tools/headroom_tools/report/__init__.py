"""`headroom report`: one page that needs nothing but itself."""
