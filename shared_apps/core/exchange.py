"""The request that is being answered: what logs and metrics say of it, also after its context has been left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from shared_apps.core import context


@dataclass
class Exchange:
    method: str
    path: str
    began_at: float = field(default_factory=time.perf_counter)
    scope: context.Scope | None = None
    """On whose behalf it is answered; None before the host is known, and where it is nobody's."""


_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def current() -> Exchange | None:
    return _exchange.get()


@contextmanager
def answering(exchange: Exchange) -> Iterator[Exchange]:
    token = _exchange.set(exchange)
    try:
        yield exchange
    finally:
        _exchange.reset(token)


def serve(scope: context.Scope) -> None:
    """The request at hand, if there is one, is answered on this behalf."""
    exchange = _exchange.get()
    if exchange is not None:
        exchange.scope = scope
