"""On whose behalf code runs: nobody (the default), the operator, one tenant, or a cross-tenant person.

This is the only truth. The database connection, tasks, logs and caches read it and never keep
their own. Without a context they raise `TenantContextRequired`; nothing falls back to the shared
schema. A context is entered for a block and left with it:

    with context.tenant(identity):
        ...

It follows the call stack (threads and asyncio tasks inherit it only by explicit hand-over, as
ContextVar does), so there is nothing to reset by hand.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token, copy_context
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar
from uuid import UUID

from shared_apps.core.errors import ContextOrderError, TenantContextRequired
from shared_apps.core.limits import DEFAULT_LIMITS, DEFAULT_QUOTAS, TenantLimits, TenantQuotas

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TenantIdentity:
    """What the rest of the system needs to know of a tenant to work for it."""

    id: UUID
    slug: str
    schema: str
    role: str
    """The PostgreSQL role that statements of this tenant run as."""
    limits: TenantLimits = DEFAULT_LIMITS
    # No part of who it is: scopes are compared and hashed for every statement.
    quotas: TenantQuotas = field(default=DEFAULT_QUOTAS, compare=False)


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


def tenant_id() -> UUID | None:
    """Whom the current scope is for, if it is one tenant's."""
    scope = _scope.get()
    return scope.id if isinstance(scope, TenantIdentity) else None


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
    try:
        yield
    finally:
        _leave(scope, token)


def _leave(scope: Scope | None, token: Token[Scope | None]) -> None:
    """Back to what was before; nobody, with an error, where blocks were not left in their order.

    That happens to generators that are suspended inside such a block: their consumer goes on in a
    context that it did not enter. `handed_over` is for them.
    """
    in_order = _scope.get() is scope
    try:
        _scope.reset(token)
    except ValueError as error:  # a generator that is finished by another thread or task
        raise ContextOrderError from error
    if not in_order:
        _scope.set(None)
        raise ContextOrderError


def entered(scope: Scope) -> AbstractContextManager[None]:
    """Work in a scope that was captured, looked up or handed over, whichever it is."""
    return _entered(scope)


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


def bound(function: Callable[P, T]) -> Callable[P, T]:
    """`function` in the present context and attribution, wherever and however often it is called.

    For what does not hand them over: threads, executors, `loop.run_in_executor`, callbacks.
    (`asyncio.to_thread`, asyncio tasks and asgiref's adapters do.)

    Raises:
        TenantContextRequired: there is no context to hand over.
    """
    require()
    captured = copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # A copy for each call: a Context cannot be entered by two threads at once.
        return captured.copy().run(function, *args, **kwargs)

    return run


def handed_over(iterable: Iterable[T]) -> Iterator[T]:
    """Items of `iterable`, each made in the context that this function is called in.

    For generators that outlive the block that starts them (a streaming response), and for those that
    enter a context themselves: their consumer's is left as it is.

    Raises:
        TenantContextRequired: there is no context to hand over.
    """
    require()
    captured = copy_context()
    return _stepwise(captured.run(iter, iterable), captured.run)


def _stepwise(iterator: Iterator[T], run: Callable[..., T | object]) -> Iterator[T]:
    end = object()
    try:
        while (item := run(next, iterator, end)) is not end:
            yield item  # type: ignore[misc]  # not the end
    finally:
        if close := getattr(iterator, "close", None):
            run(close)
