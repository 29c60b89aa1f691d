"""Which mails are sent next, and by whom: claimed with a lease, in statements of their own.

A process that dies leaves its lease to run out; then another takes the mail over. Lines (tenants) take
turns, so that one with a million mails delays another's by some.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

LEASE: Final = timedelta(minutes=5)

_OF_LINES = """(%(only)s::uuid[] IS NULL OR mail.line = ANY(%(only)s))
    AND NOT mail.line = ANY(%(without)s::uuid[])"""
_DUE = f"""mail.state IN ('PENDING', 'PROCESSING') AND mail.next_attempt_at <= %(at)s AND {_OF_LINES}"""
# Which lines are looked at: those after the last claim's, by hopping along the index, never by reading
# all that is due. Each lists its next ones, and the first of every line go before the second of any.
# Materialized: a plan that ran the locking part twice would take mails that nobody then sends.
_CLAIM = f"""
    WITH RECURSIVE turns(line, place) AS (
        (SELECT line, 1 FROM mail_outgoingmail mail
         WHERE {_DUE} AND (%(after)s::uuid IS NULL OR line > %(after)s) ORDER BY line LIMIT 1)
        UNION ALL
        SELECT (SELECT mail.line FROM mail_outgoingmail mail
                WHERE {_DUE} AND mail.line > turns.line ORDER BY mail.line LIMIT 1), place + 1
        FROM turns WHERE turns.line IS NOT NULL AND place < %(most)s
    ),
    claimed AS MATERIALIZED (
        SELECT id, rank, place
        FROM turns CROSS JOIN LATERAL (
            SELECT id, row_number() OVER () AS rank FROM (
                SELECT id FROM mail_outgoingmail mail
                WHERE mail.line = turns.line AND {_DUE}
                ORDER BY priority, next_attempt_at, created_at LIMIT %(most)s
                FOR UPDATE SKIP LOCKED
            ) next
        ) mails
        ORDER BY rank, place LIMIT %(most)s
    ),
    taken AS (
        UPDATE mail_outgoingmail mail
        SET state = 'PROCESSING', lease = %(lease)s, next_attempt_at = %(until)s, attempts = attempts + 1
        FROM claimed WHERE mail.id = claimed.id
        RETURNING mail.id, mail.line
    )
    SELECT taken.id, taken.line FROM taken JOIN claimed USING (id) ORDER BY rank, place
"""  # noqa: S608 (no value is in it)
_GIVE_BACK = f"""
    UPDATE mail_outgoingmail mail
    SET state = 'PENDING', lease = NULL, next_attempt_at = %(until)s, attempts = attempts - 1,
        last_error = %(error)s
    WHERE lease = %(lease)s AND state = 'PROCESSING' AND {_OF_LINES}
"""  # noqa: S608 (no value is in it)


@dataclass(frozen=True, slots=True)
class Lines:
    """Which ones are meant."""

    only: Collection[UUID] | None = None
    """None: all."""
    without: Collection[UUID] = ()

    def __contains__(self, line: UUID) -> bool:
        return (self.only is None or line in self.only) and line not in self.without

    def values(self) -> dict[str, list[UUID] | None]:
        return {
            "only": None if self.only is None else list(self.only),
            "without": list(self.without),
        }


@dataclass(frozen=True, slots=True)
class Claimed:
    mail_id: UUID
    line: UUID


def claim(
    *, lease: UUID, at: datetime, most: int, lines: Lines, after: UUID | None = None
) -> list[Claimed]:
    """Take at most `most` mails that are due, of lines after one; in the order they should be sent."""
    values: dict[str, Any] = {
        "lease": lease, "until": at + LEASE, "at": at, "most": most, "after": after, **lines.values(),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        return [Claimed(*row) for row in cursor.fetchall()]


def give_back(*, lease: UUID, lines: Lines, until: datetime, error: str) -> None:
    """What was claimed of these lines and is not sent, for a while: nothing counts against it."""
    values: dict[str, Any] = {"lease": lease, "until": until, "error": error, **lines.values()}
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, values)
