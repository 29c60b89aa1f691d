"""Refuse a tenant's changes while too many of them wait for the audit database, if it has a limit."""

from typing import Any
from uuid import UUID

TRIGGER = "audit_admission"


def apply(cursor: Any, *, tenant_id: UUID) -> None:
    """Have a tenant's limits of its backlog hold, or none of them; in the cursor's transaction.

    Waits for the tenant's transactions that are under way, two seconds at most. They need no such step to be
    changed from one value to another, and one that has no schema yet is left alone.
    """
    cursor.execute("SELECT public.limit_audit_backlog(%s)", [tenant_id])
