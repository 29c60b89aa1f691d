"""Support at work in a tenant in the name of one of its people."""
