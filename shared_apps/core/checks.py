"""System check: every database is one that the product can work on."""

from typing import Any

from django.core.checks import Error
from django.db import connections


def check_databases(**_: Any) -> list[Error]:
    """Schemas, roles and row locks that are passed over (SKIP LOCKED) are PostgreSQL's. Asks no server."""
    return [
        Error(
            f"The database {alias!r} is {connections[alias].display_name}, not PostgreSQL.",
            hint="DATABASE_URL is postgresql://… (docs/start.md).",
            id="core.E001",
        )
        for alias in connections
        if connections[alias].vendor != "postgresql"
        or not connections[alias].features.has_select_for_update_skip_locked
    ]
