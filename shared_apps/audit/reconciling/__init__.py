"""Whether the tables of a tenant are what its trail says that they are: both are read, neither changed."""
