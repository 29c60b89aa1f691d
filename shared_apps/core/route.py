"""Which address of the API a request was for, as its pattern: never with the values of its parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_route: ContextVar[str | None] = ContextVar("route", default=None)


def current() -> str | None:
    """The name of the view's address (`v1:invoicing:invoice-list`); None before it is known."""
    return _route.get()


@contextmanager
def unresolved() -> Iterator[None]:
    """The block of one request: the route that it resolves to is forgotten at its end."""
    token = _route.set(None)
    try:
        yield
    finally:
        _route.reset(token)


def resolved(route: str) -> None:
    """Name the route for the rest of the enclosing `unresolved` block."""
    _route.set(route)
