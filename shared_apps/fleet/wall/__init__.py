"""Whether the wall in the database stands as it was built: read from the catalogue, changing nothing.

Each part is one or a few queries over everything, never one per tenant.
"""

from typing import Any

from shared_apps.core.doctor import Finding
from shared_apps.fleet.wall import logins, people, shared, spares, tenants


def examine(cursor: Any) -> list[Finding]:
    """Everything that is not as it should be. The path of the cursor is the shared schema."""
    return [
        finding
        for part in (
            logins.examine,
            tenants.examine,
            people.examine,
            spares.examine,
            shared.examine,
        )
        for finding in part(cursor)
    ]
