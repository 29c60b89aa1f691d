"""What a model of the shared schema says of the PostgreSQL roles that may use its table."""

from dataclasses import dataclass
from typing import Final

ALL_COLUMNS: Final = ("*",)


@dataclass(frozen=True, slots=True)
class RowRights:
    """What PostgreSQL roles may do with a shared table, each with the rows that it may see.

    The default is nothing: the table is for the operator's context alone.
    """

    tenants: tuple[str, ...] = ()
    """Of every tenant's role with its own rows: SELECT, INSERT, UPDATE, DELETE."""
    readers: tuple[str, ...] = ()
    """Columns that cross-tenant people may read in the rows of the tenants that they were granted."""
    relay: tuple[str, ...] = ()
    """Of the audit relay, with all rows: what it keeps up to date (audit/projections.py)."""
    relay_updates: tuple[str, ...] = ()
    """Columns that the relay may change where it has no UPDATE on the whole table."""
    column: str = "tenant_id"
    """Whose row it is."""
