"""A change of rows makes what was read from them old, at the commit and not before.

The database backend says which model's rows a statement of the ORM changes; raw SQL says it by `invalidate`.
Between its commit and telling Redis a process may die. So a writer is put down there beforehand, and one
that does not say how it ended counts after a while as one that has changed something.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.db import transaction

from shared_apps.core import context
from shared_apps.core.caching.availability import guarded
from shared_apps.core.caching.entities import Entity, read_from
from shared_apps.core.caching.names import Standing, standing_of


class OpenWrites:
    """Of one connection: the entities that its present transaction has changed."""

    def __init__(self) -> None:
        self._writers: dict[Standing, str] = {}

    def begin(self, standing: Standing) -> str:
        writer = self._writers.get(standing)
        if writer is None:
            writer = self._writers[standing] = uuid4().hex
            guarded().call(lambda store: store.writing(standing, writer=writer))
        return writer

    def committed(self, standing: Standing) -> None:
        writer = self._writers.pop(standing, "")
        guarded().changed(standing, writer=writer)

    def rolled_back(self) -> None:
        for standing, writer in self._writers.items():
            guarded().call(lambda store, s=standing, w=writer: store.not_changed(s, writer=w))  # type: ignore[misc]  # bound now
        self._writers.clear()

    def lost(self) -> None:
        """Nobody knows whether it was committed: what was put down in Redis says so in a while."""
        self._writers.clear()


@dataclass(frozen=True)
class _Told:
    """Called after the commit."""

    writes: OpenWrites
    standing: Standing

    def __call__(self) -> None:
        self.writes.committed(self.standing)


@contextmanager
def changing(label: str, *, connection: Any) -> Iterator[None]:
    """Around a statement that changes rows of a model; the backend's connection has `open_writes`."""
    entities = read_from(label)
    if not entities or context.current() is None:
        yield
        return
    standings = [standing_of(entity) for entity in entities]
    for standing in standings:
        connection.open_writes.begin(standing)
    if connection.in_atomic_block:
        for standing in standings:
            _tell_after_commit(standing, connection)
        yield
        return
    try:
        yield
    except BaseException:
        # It may have been carried out, though the answer was lost.
        connection.open_writes.lost()
        raise
    for standing in standings:
        connection.open_writes.committed(standing)


def invalidate(entity: Entity, *, using: str = "default") -> None:
    """After SQL that went round the ORM, or when data was loaded: what is kept is old after the commit."""
    connection: Any = transaction.get_connection(using)
    standing = standing_of(entity)
    connection.open_writes.begin(standing)
    if connection.in_atomic_block:
        _tell_after_commit(standing, connection)
    else:
        connection.open_writes.committed(standing)


def _tell_after_commit(standing: Standing, connection: Any) -> None:
    told = _Told(connection.open_writes, standing)
    present = set(connection.savepoint_ids)
    # Once is enough, unless it would be forgotten with a savepoint that ours does not stand in.
    for savepoints, function, _ in connection.run_on_commit:
        if function == told and savepoints <= present:
            return
    connection.on_commit(told, robust=True)
