"""`tenant run`: a management command in the context of one tenant after the other (docs/tenants.md)."""
