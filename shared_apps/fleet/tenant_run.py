"""One tenant of a run: locked, looked at, migrated, tried again where waiting helps."""

import random
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, connections
from psycopg import errors as postgres
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import locks, replay
from shared_apps.fleet.catalogue import script
from shared_apps.fleet.choices import OutcomeState
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.plans import Plans
from shared_apps.fleet.replay import Replay
from shared_apps.fleet.selectors import Member
from shared_apps.tenants.database.base import DatabaseWrapper

# Somebody else held what was wanted; later it may be free.
_PASSING: Final = (
    postgres.LockNotAvailable,
    postgres.DeadlockDetected,
    postgres.SerializationFailure,
)
_PAUSE: Final = 0.2  # seconds before the second attempt; doubled for each further one
_LONGEST_ERROR: Final = 2000

# Stand for what differs between tenants; neither these nor what replaces them needs care in a literal.
_SCHEMA: Final = script.SCHEMA
_SLUG: Final = "slug__template"
_STARTED: Final = "started__template"

_OUTCOME = """
    INSERT INTO public.fleet_outcome (run_id, schema_name, slug, state, from_fingerprint, to_fingerprint,
        applied, attempts, error, started_at, finished_at, duration_ms)
    VALUES ({run}, {schema}, {slug}, {state}, {before}, {after}, {applied}, {attempts}, {error}, {started},
        clock_timestamp(), extract(epoch FROM clock_timestamp() - {started}::timestamptz) * 1000)
    ON CONFLICT (run_id, schema_name) DO NOTHING
"""
_ERROR = """
    INSERT INTO public.fleet_schemaversion (schema_name, fingerprint, is_between, changed_at, error)
    VALUES ({schema}, '', false, now(), {error})
    ON CONFLICT (schema_name) DO UPDATE SET error = excluded.error, changed_at = now()
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a statement may wait and work, and how often a tenant is tried."""

    lock_timeout_ms: int = 2_000
    statement_timeout_ms: int = 600_000
    attempts: int = 5


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a tenant. `applied` is empty where another run was quicker."""

    slug: str
    state: OutcomeState
    applied: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 0.0


def set_limits(limits: Limits) -> None:
    """Once for each connection that migrates, before it is made."""
    connection = connections[MIGRATION_ALIAS]
    assert isinstance(connection, DatabaseWrapper)
    connection.close()
    # The context tells it to the session, again and again.
    connection.profile = replace(
        connection.profile, statement_timeout_ms=limits.statement_timeout_ms
    )
    with context.operator(), connection.cursor() as cursor:
        cursor.execute(
            f"SET lock_timeout = {limits.lock_timeout_ms:d};"
            # What says that a migration was done is lost together with it, so nothing has to be waited for.
            " SET synchronous_commit = off"
        )


def migrate(
    member: Member, *, plans: Plans, run: UUID, target: str, limits: Limits
) -> Result | None:
    """None: another run is working on this schema; ask again later."""
    started = datetime.now(UTC)
    # In the tenant's context from lock to release, so that the connection's path is set once.
    schema = member.identity.schema
    query = replay.applied_query(schema) if member.fingerprint else None
    with context.tenant(member.identity), locks.try_schema(schema, query=query) as grasp:
        if not grasp.is_ours:
            return None
        if grasp.fingerprint == target and not grasp.is_between:
            return Result(member.identity.slug, OutcomeState.DONE)  # another run was quicker
        report = _Report(member, run, target, started)
        for attempt in range(1, limits.attempts + 1):
            try:
                applied = _attempt(member.identity, grasp, plans, report, attempt)
            except DatabaseError as error:
                if not isinstance(error.__cause__, _PASSING) or attempt == limits.attempts:
                    return report.fail(error, attempt)
                time.sleep(_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311  # not a secret
            except (
                Exception
            ) as error:  # a data migration may raise anything; the other tenants go on
                return report.fail(error, attempt)
            else:
                return report.done(applied)
    raise AssertionError("no attempt was made")


def _attempt(
    identity: TenantIdentity, grasp: locks.Grasp, plans: Plans, report: "_Report", attempt: int
) -> tuple[str, ...]:
    """The schema's rows are read anew: an attempt before this one may have come half-way."""
    schema = identity.schema
    applied = grasp.answer if attempt == 1 else None
    if applied is None:
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            # One that the ledger knows has its rows, or somebody must look at it.
            read = replay.read_rows if grasp.fingerprint else replay.read_applied
            applied = read(cursor, schema)
    prepared = plans.replay_for(applied=applied, fingerprint=grasp.fingerprint or "")
    report.before = grasp.fingerprint or ""
    report.planned = report.planned or prepared
    if not applied:
        replay.make_history_table(identity)
    also = report.entry(OutcomeState.DONE, attempt, error="")
    replay.bring(identity, prepared, also=(also,), afterwards=(locks.release_statement(schema),))
    grasp.has_been_released()
    return report.planned.names


@lru_cache(maxsize=64)
def _outcome(
    run: UUID,
    state: OutcomeState,
    before: str,
    after: str,
    names: tuple[str, ...],
    attempts: int,
    error: str,
) -> str:
    """The row with the placeholders of one tenant: quoting takes longer than what it quotes."""
    values: dict[str, Any] = {
        "run": run,
        "schema": _SCHEMA,
        "slug": _SLUG,
        "state": str(state),
        "before": before,
        "after": after,
        "attempts": attempts,
        "error": error,
        "started": _STARTED,
    }
    literals = {name: sql.Literal(value) for name, value in values.items()}
    applied = sql.SQL("to_jsonb({}::text[])").format(sql.Literal(list(names)))
    return sql.SQL(_OUTCOME).format(applied=applied, **literals).as_string(None)


class _Report:
    """The rows about one tenant of a run."""

    def __init__(self, member: Member, run: UUID, target: str, started: datetime) -> None:
        self._member = member
        self._run = run
        self.target = target
        self._started = started
        self.before = member.fingerprint
        self.planned: Replay | None = None

    def entry(self, state: OutcomeState, attempts: int, *, error: str) -> str:
        names = self.planned.names if self.planned and state == OutcomeState.DONE else ()
        text = _outcome(self._run, state, self.before, self.target, names, attempts, error)
        identity = self._member.identity
        return (
            text.replace(_SCHEMA, identity.schema)
            .replace(_SLUG, identity.slug)
            .replace(_STARTED, self._started.isoformat())
        )

    def done(self, applied: tuple[str, ...]) -> Result:
        return Result(
            self._member.identity.slug, OutcomeState.DONE, applied, seconds=self._seconds()
        )

    def fail(self, error: Exception, attempts: int) -> Result:
        reason = describe(error)
        schema = sql.Literal(self._member.identity.schema)
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            cursor.execute(self.entry(OutcomeState.FAILED, attempts, error=reason))
            cursor.execute(sql.SQL(_ERROR).format(schema=schema, error=sql.Literal(reason)))
        return Result(
            self._member.identity.slug,
            OutcomeState.FAILED,
            error=reason,
            seconds=self._seconds(),
        )

    def _seconds(self) -> float:
        return (datetime.now(UTC) - self._started).total_seconds()


def describe(error: Exception) -> str:
    """One line; of the database's errors the detail too, which names the row."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("LINE ", "^"))][:3]
    return (" ".join(kept) or type(error).__name__)[:_LONGEST_ERROR]
