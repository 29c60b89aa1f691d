"""Changing the installation's secrets while it runs: docs/rotation.md."""
