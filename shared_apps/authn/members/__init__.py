"""What administrators do about the sign-ins of their tenant's people."""
