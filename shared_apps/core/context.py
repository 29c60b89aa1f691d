"""On whose behalf code runs: nobody (the default), the operator, one tenant, or a cross-tenant person.

This is the only truth. The database connection, tasks, logs and caches read it and never keep
their own. Without a context they raise `TenantContextRequired`; nothing falls back to the shared
schema. A context is entered for a block and left with it:

    with context.tenant(identity):
        ...

It follows the call stack (threads and asyncio tasks inherit it only by explicit hand-over, as
ContextVar does), so there is nothing to reset by hand.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from shared_apps.core.errors import TenantContextRequired
from shared_apps.core.limits import DEFAULT_LIMITS, TenantLimits


@dataclass(frozen=True, slots=True)
class TenantIdentity:
    """What the rest of the system needs to know of a tenant to work for it."""

    id: UUID
    slug: str
    schema: str
    role: str
    """The PostgreSQL role that statements of this tenant run as."""
    limits: TenantLimits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class OperatorScope:
    """The shared schema, for the people and processes that run the installation."""


@dataclass(frozen=True, slots=True)
class CrossTenantScope:
    """Somebody whom operators gave a role over several tenants: reads their shared rows, writes none.

    Statements run as the person's own PostgreSQL role, in the shared schema.
    """

    user_id: UUID
    role: str
    tenants: frozenset[UUID]
    """What was granted when the scope was made; the database asks again at every statement."""


Scope = TenantIdentity | OperatorScope | CrossTenantScope
OPERATOR: Final = OperatorScope()

_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)


def current() -> Scope | None:
    return _scope.get()


def require() -> Scope:
    """The current scope.

    Raises:
        TenantContextRequired: code runs on nobody's behalf.
    """
    scope = _scope.get()
    if scope is None:
        raise TenantContextRequired
    return scope


def require_tenant() -> TenantIdentity:
    """The current tenant.

    Raises:
        TenantContextRequired: nobody's, the operator's or a cross-tenant person's context.
    """
    scope = _scope.get()
    if not isinstance(scope, TenantIdentity):
        raise TenantContextRequired
    return scope


@contextmanager
def _entered(scope: Scope | None) -> Iterator[None]:
    token = _scope.set(scope)
    is_in_order = False
    try:
        yield
    finally:
        is_in_order = _scope.get() is scope
        _scope.reset(token)
        if not is_in_order:
            _scope.set(None)
    if not is_in_order:
        raise RuntimeError(
            "contexts were left in another order than they were entered in, as two generators do that "
            "take turns; what ran between may have run in the wrong one"
        )


def tenant(identity: TenantIdentity) -> AbstractContextManager[None]:
    """Work for one tenant."""
    return _entered(identity)


def operator() -> AbstractContextManager[None]:
    """Work in the shared schema for the operator."""
    return _entered(OPERATOR)


def cross_tenant(scope: CrossTenantScope) -> AbstractContextManager[None]:
    """Read the shared rows of the tenants that a person was granted."""
    return _entered(scope)


def nobody() -> AbstractContextManager[None]:
    """Drop whatever context is active, for code that must not touch tenant data."""
    return _entered(None)
