"""Bearing the failures of others: to try again, and to leave alone (docs/resilience.md)."""
