"""Take down where all chains end, sign it, and give it to places that the audit database's keepers cannot write.

An anchor is kept in the audit database until every place has it, and is given away again after whatever
happened, the same one: a place that was away gets all that it missed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit.anchors import documents, reading
from shared_apps.audit.anchors.documents import End, Statement
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.audit.anchors.places.directory import Directory
from shared_apps.audit.anchors.places.naming import Place
from shared_apps.audit.anchors.places.s3.bucket import Bucket
from shared_apps.audit.errors import (
    AnchorBusyError,
    AnchorPlaceUnavailableError,
    AnchorRefusedError,
)
from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.errors import explain

_ENDS = """
SELECT coalesce(c.tenant_id, a.tenant_id), c.sequence, c.hash, a.sequence, a.hash
FROM (SELECT * FROM audit.chain WHERE sequence > 0) c FULL JOIN audit.anchored a USING (tenant_id)
"""


@dataclass(frozen=True, slots=True)
class SetBack:
    """A chain that ends before an end that was anchored."""

    tenant_id: UUID
    anchored: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Taken:
    """An anchor, and what became of it."""

    counter: int
    ends: int
    failures: dict[str, str]
    """Place → why it does not have all anchors."""
    set_back: tuple[SetBack, ...]


def take(*, url: str, key: SigningKey, places: Sequence[Place], at: datetime) -> Taken:
    """Take an anchor, and give away all that some place does not have.

    Raises:
        AnchorBusyError: somebody else does it now.
        psycopg.Error: the audit database does not answer, or this login may not.
    """
    with _alone(url) as connection:
        last_counter, previous, last_at = _last(connection, places)
        rows = connection.execute(_ENDS).fetchall()
        is_full = last_at is None or last_at.astimezone(UTC).date() != at.astimezone(UTC).date()
        ends = [
            End(tenant_id, sequence, hash_)
            for tenant_id, sequence, hash_, anchored, anchored_hash in rows
            if sequence is not None and (is_full or (sequence, hash_) != (anchored, anchored_hash))
        ]
        counter = last_counter + 1
        jws = documents.sign(
            Statement(
                counter=counter,
                taken_at=at,
                previous=previous,
                system=_system(connection),
                is_full=is_full,
                ends=len(ends),
                root=documents.root(ends),
            ),
            key,
        )
        connection.execute(
            "SELECT audit.begin_anchor(%s, %s, %s, %s)",
            [counter, at, documents.digest(jws), documents.render(jws, counter, ends)],
        )
        return Taken(
            counter=counter,
            ends=len(ends),
            failures=_deliver(connection, places),
            set_back=tuple(
                SetBack(tenant_id, anchored, sequence or 0)
                for tenant_id, sequence, _, anchored, _ in rows
                if anchored is not None and (sequence or 0) < anchored
            ),
        )


@contextmanager
def _alone(url: str) -> Iterator[psycopg.Connection[Any]]:
    with databases.connect(
        url, Database.AUDIT, autocommit=True, application_name="freehold audit anchor"
    ) as connection:
        row = connection.execute(
            "SELECT pg_try_advisory_lock(hashtext('freehold.audit.anchor'))"
        ).fetchone()
        if row != (True,):
            raise AnchorBusyError
        yield connection


def _last(
    connection: psycopg.Connection[Any], places: Sequence[Place]
) -> tuple[int, str, datetime | None]:
    """Number, digest and time of the newest anchor.

    A directory or bucket that knows a newer one than the audit database is right: that was set back, and the
    anchors go on so that it shows. One that does not answer now refuses its number twice later.
    """
    row = connection.execute(
        "SELECT counter, digest, taken_at FROM audit.anchor ORDER BY counter DESC LIMIT 1"
    ).fetchone()
    newest = (row[0], bytes(row[1]).hex(), row[2]) if row else (0, "", None)
    for place in places:
        if isinstance(place, (Directory, Bucket)):
            found = _newest_at(place, after=newest[0])
            if found is not None and found[0].counter > newest[0]:
                newest = (found[0].counter, documents.digest(found[1]).hex(), None)
    return newest


def _newest_at(place: Directory | Bucket, *, after: int) -> tuple[Statement, str] | None:
    try:
        document = place.newest(after=after)
    except (OSError, AnchorPlaceUnavailableError):
        return None  # told when it is given the anchor
    return None if document is None else reading.first_statement(document)


def _system(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    return str(row[0]) if row else ""


def _deliver(connection: psycopg.Connection[Any], places: Sequence[Place]) -> dict[str, str]:
    """Oldest first, so that a place has no gap; one that fails is left for the next time."""
    failures: dict[str, str] = {}
    waiting = [
        row[0]
        for row in connection.execute(
            "SELECT counter FROM audit.anchor WHERE document IS NOT NULL ORDER BY counter"
        )
    ]
    for counter in waiting:
        row = connection.execute(
            "SELECT document, delivered FROM audit.anchor WHERE counter = %s", [counter]
        ).fetchone()
        assert row is not None
        document, delivered = row[0], set(row[1])
        for place in places:
            if place.name in failures or place.name in delivered:
                continue
            try:
                place.keep(counter, document)
            except (OSError, AnchorPlaceUnavailableError, AnchorRefusedError) as error:
                failures[place.name] = explain(error)
                continue
            delivered.add(place.name)
            is_everywhere = delivered >= {one.name for one in places}
            connection.execute(
                "SELECT audit.anchor_delivered(%s, %s, %s)", [counter, place.name, is_everywhere]
            )
        if delivered:
            _record(connection, counter, document)
    return failures


def _record(connection: psycopg.Connection[Any], counter: int, document: str) -> None:
    parsed = [documents.parse_line(line) for line in document.splitlines()]
    ends = [end for found in parsed if isinstance(found, tuple) for end in found[1]]
    connection.execute(
        "SELECT audit.record_ends(%s, %s::uuid[], %s::bigint[], %s::bytea[])",
        [
            counter,
            [end.tenant_id for end in ends],
            [end.sequence for end in ends],
            [end.hash for end in ends],
        ],
    )
