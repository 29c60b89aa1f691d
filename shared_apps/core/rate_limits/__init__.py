"""How many requests may be made in a minute, counted exactly over all processes."""
