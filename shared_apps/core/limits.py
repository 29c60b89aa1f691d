"""How much of the system one tenant may use at a time."""

from dataclasses import dataclass
from enum import StrEnum


class QueryLogMode(StrEnum):
    """Which statements are written into the query log (docs/query-log.md)."""

    OFF = "off"
    SLOW = "slow"
    SAMPLED = "sampled"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """Of one tenant; None leaves a limit to the installation's default (config/settings/database.py)."""

    statement_timeout_ms: int | None = None
    """The longest that one statement may run."""
    idle_in_transaction_timeout_ms: int | None = None
    """The longest that an open transaction may wait for its next statement."""
    connections: int | None = None
    """Requests, each with a database connection, that one process works on at a time."""
    query_log: QueryLogMode | None = None
    """Which of its statements are logged."""
    audit_backlog_rows: int | None = None
    """Changes that may wait for the audit database before further ones are refused; None: all may."""
    audit_backlog_seconds: int | None = None
    """How long one may wait for it."""


@dataclass(frozen=True, slots=True)
class TenantQuotas:
    """What one tenant has bought."""

    plan: str = ""
    """Its rates by name (RATE_PLANS); empty: the installation's."""
    requests_per_minute: int | None = None
    """Of all its people together; None: what the plan says."""
    storage_mb: int | None = None
    """What its files may take; None: as much as there is."""


DEFAULT_LIMITS = TenantLimits()
DEFAULT_QUOTAS = TenantQuotas()
