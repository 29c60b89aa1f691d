"""Who does what code is doing: recorded by the audit triggers with every write.

A frozen value in a ContextVar beside the scope (context.py). Entry points (middleware, task class,
manage.py) enter it; sign-in adds the person. The database backend hands it to PostgreSQL together
with the tenant's role.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from functools import cached_property
from json.encoder import encode_basestring_ascii
from uuid import UUID


@dataclass(frozen=True)
class Attribution:
    """Every field may be unknown; the audit trail then says so instead of guessing."""

    user_id: UUID | None = None
    on_behalf_of: UUID | None = None
    """For whom the person acts, where they act for somebody else."""
    system: str | None = None
    """What acts when no person does: `command:migrate`, `task:invoicing.check_books`."""
    request_id: str | None = None
    task_id: str | None = None
    parent_task_id: str | None = None
    ip: str | None = None

    @cached_property
    def as_json(self) -> str:
        """Compact ASCII JSON of what is known, as the audit trigger stores it."""
        # By hand, because every request is attributed and all values are text or UUIDs.
        known = [
            f'"{name}":{encode_basestring_ascii(str(value))}'
            for name in _FIELDS
            if (value := getattr(self, name)) is not None
        ]
        return f"{{{','.join(known)}}}"


_FIELDS = tuple(sorted(field.name for field in fields(Attribution)))
UNKNOWN = Attribution()
_attribution: ContextVar[Attribution] = ContextVar("attribution", default=UNKNOWN)


def current() -> Attribution:
    return _attribution.get()


@contextmanager
def acting(attribution: Attribution) -> Iterator[None]:
    """Everything written in this block is put down to `attribution`."""
    token = _attribution.set(attribution)
    try:
        yield
    finally:
        _attribution.reset(token)


def on_behalf_of(person_id: UUID) -> AbstractContextManager[None]:
    """Whoever acts does so for somebody else in this block: both are recorded."""
    return acting(replace(_attribution.get(), on_behalf_of=person_id))


def signed_in(user_id: UUID, *, on_behalf_of: UUID | None = None) -> None:
    """Name the person for the rest of the enclosing `acting` block."""
    _attribution.set(replace(_attribution.get(), user_id=user_id, on_behalf_of=on_behalf_of))


def command(name: str) -> Attribution:
    return Attribution(system=f"command:{name}")
