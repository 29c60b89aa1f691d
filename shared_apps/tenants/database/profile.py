"""How one alias of DATABASES reaches PostgreSQL, and what its statements carry."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from django.core.exceptions import ImproperlyConfigured


class PoolMode(StrEnum):
    """For how long the path to PostgreSQL keeps one server connection: PgBouncer's `pool_mode`."""

    SESSION = "session"
    """Until the client goes: direct, a psycopg pool, PgBouncer in session mode."""
    TRANSACTION = "transaction"
    """Until the transaction ends: PgBouncer in transaction mode, and poolers like it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The part of an alias' settings that the backend's statements depend on."""

    uses_roles: bool = True
    """False for the migration login, which owns the schemas and keeps its own role."""
    pool_mode: PoolMode = PoolMode.SESSION
    is_sharded: bool = False
    """The tenants' schemas are on the nodes of a Citus cluster."""
    has_comments: bool = True
    statement_timeout_ms: int = 0
    """Of the operator, and of tenants without a limit of their own; 0 is none."""
    idle_in_transaction_timeout_ms: int = 0
    tenants_per_connection: int = 0
    """How many a connection may meet before it is replaced (recycling.py); 0 is any number."""

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """Raises ImproperlyConfigured for options that would undo the wall."""
        options = settings["OPTIONS"]
        if options.get("server_side_binding"):
            raise ImproperlyConfigured(
                "server_side_binding cannot be used: the extended protocol takes one statement a "
                "message, so a statement could be separated from its tenant."
            )
        if options.get("assume_role"):
            raise ImproperlyConfigured(
                "assume_role cannot be used: the role follows the context, statement by statement."
            )
        pool_mode = PoolMode(settings.get("POOL_MODE", PoolMode.SESSION))
        is_sharded = settings.get("SHARDED", False)
        uses_roles = settings.get("TENANT_ROLES", True)
        if is_sharded and uses_roles and pool_mode is PoolMode.SESSION:
            raise ImproperlyConfigured(
                "SHARDED needs POOL_MODE transaction: what is set for a session stays on the "
                "coordinator, and the audit trail of a tenant's node would name nobody."
            )
        # Where a pooler shares the server's connections, ours say nothing about what those have met.
        limit = settings.get("TENANTS_PER_CONNECTION", 0) if pool_mode is PoolMode.SESSION else 0
        return cls(
            uses_roles=uses_roles,
            pool_mode=pool_mode,
            is_sharded=is_sharded,
            tenants_per_connection=limit,
            has_comments=settings.get("SQL_COMMENTS", True),
            statement_timeout_ms=settings.get("STATEMENT_TIMEOUT_MS", 0),
            idle_in_transaction_timeout_ms=settings.get("IDLE_IN_TRANSACTION_TIMEOUT_MS", 0),
        )

    @property
    def is_per_transaction(self) -> bool:
        return self.pool_mode is PoolMode.TRANSACTION

    @property
    def is_told_apart(self) -> bool:
        """Citus sends the whole message of a SET LOCAL on to a tenant's node, where a statement that
        shares it would be executed as well: the context goes in a message of its own."""
        return self.is_sharded and self.is_per_transaction
