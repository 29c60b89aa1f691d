"""A tenant as one file: written, proven whole, read back (docs/tenants.md)."""
