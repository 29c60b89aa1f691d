"""Which kinds of jobs there are. An app registers its own when it is ready:

kinds.register(JobKind(name="invoice-import", begin=InvoiceImport, limit=timedelta(minutes=30)))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job leaves. With an `error` it has failed; result and file are shown all the same."""

    result: Mapping[str, Any]
    file: Path | None = None
    error: str = ""


class Run(Protocol):
    """What the code of a kind is given."""

    @property
    def requested_by(self) -> UUID: ...
    @property
    def upload(self) -> Path:
        """The file that came with the request."""

    @property
    def directory(self) -> Path:
        """Its own and empty; gone afterwards, whatever happens."""

    def advance(self, done: int, total: int) -> None:
        """Say how far the phase is. Raises JobStoppedError: there is nobody to go on for."""


class Work(Protocol):
    """One job being carried out. What must be done as a whole, or not at all, belongs into `save`."""

    def validate(self) -> None: ...
    def work(self) -> None: ...
    def save(self) -> Outcome:
        """In one transaction with the job's own end, so that there is either both or nothing."""


@dataclass(frozen=True, slots=True)
class JobKind:
    name: str
    begin: Callable[[Run], Work]
    limit: timedelta
    attempts: int = 3
    """How often it is begun when its worker is lost; a file that kills each of them is not tried for ever."""


_kinds: dict[str, JobKind] = {}


def register(kind: JobKind) -> None:
    _kinds[kind.name] = kind


def find(name: str) -> JobKind | None:
    return _kinds.get(name)


def get(name: str) -> JobKind:
    return _kinds[name]
