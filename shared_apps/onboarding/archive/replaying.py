"""What happened to a tenant after its archive was written, from the trail: a restore up to a moment.

The trail holds the old and the new values of every change, so a record is at its last new values. Its
first old values have to be the archive's row, and all further ones the new values before them: a trail
with a hole is refused, not guessed at. What was erased from the trail is not compared; rows get what the
rules leave of it (erasing/leaving_out.py). Whole transactions are replayed, those whose last change is
earlier than the moment.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections
from psycopg import sql

from shared_apps.audit import selectors as trail
from shared_apps.audit import triggers
from shared_apps.audit.capture import record_id_of
from shared_apps.audit.triggers import AuditedTable
from shared_apps.core import context
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.onboarding.archive.manifest import Manifest
from shared_apps.onboarding.erasing import leaving_out
from shared_apps.onboarding.errors import MomentInvalidError, TrailPendingError, TrailUnfitError
from shared_apps.tenants.models import Tenant

_CREATE = """
CREATE TEMPORARY TABLE trail_since (
    sequence bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    transaction_id xid8 NOT NULL,
    table_name text NOT NULL,
    record_id text NOT NULL,
    old_values jsonb,
    new_values jsonb,
    -- Fields that cannot be compared, and rows of people, because somebody was erased.
    erased_old text[] NOT NULL,
    erased_new text[] NOT NULL,
    is_gone boolean NOT NULL
) ON COMMIT DROP
"""

# A transaction that the archive's rows show had made all of its changes before they were read.
_OTHER_CLUSTER = """
SELECT count(*) FROM pg_temp.trail_since
WHERE pg_visible_in_snapshot(transaction_id, %(snapshot)s::pg_snapshot) AND created_at > %(at)s
"""

_OUTSIDE = """
DELETE FROM pg_temp.trail_since
WHERE pg_visible_in_snapshot(transaction_id, %(snapshot)s::pg_snapshot)
   OR transaction_id IN (
        SELECT transaction_id FROM pg_temp.trail_since
        GROUP BY transaction_id HAVING max(created_at) >= %(until)s)
"""

_BROKEN = """
SELECT table_name, record_id FROM (
    SELECT table_name, record_id, old_values, row_number() OVER record AS number,
           lag(new_values) OVER record AS before,
           lag(erased_new) OVER record || erased_old AS erased,
           is_gone OR lag(is_gone) OVER record AS is_gone
    FROM pg_temp.trail_since
    WINDOW record AS (PARTITION BY table_name, record_id ORDER BY sequence)) changes
WHERE number > 1 AND NOT is_gone AND before - erased IS DISTINCT FROM old_values - erased LIMIT 1
"""

_UNLIKE_ARCHIVE = """
SELECT first.record_id
FROM (SELECT DISTINCT ON (record_id) record_id, old_values, erased_old, is_gone
      FROM pg_temp.trail_since WHERE table_name = {name} ORDER BY record_id, sequence) first
LEFT JOIN {table} now ON {record_id} = first.record_id
WHERE NOT first.is_gone
  AND first.old_values - first.erased_old IS DISTINCT FROM to_jsonb(now) - first.erased_old LIMIT 1
"""

_REMOVE = """
DELETE FROM {table} now USING (
    SELECT DISTINCT record_id FROM pg_temp.trail_since WHERE table_name = {name}) changed
WHERE {record_id} = changed.record_id
"""

_INSERT = """
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {values} FROM (
    SELECT DISTINCT ON (record_id) new_values FROM pg_temp.trail_since
    WHERE table_name = {name} ORDER BY record_id, sequence DESC) last
CROSS JOIN jsonb_populate_record(NULL::{table}, last.new_values) AS row
WHERE last.new_values IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was done on top of an archive's rows."""

    until: datetime
    changes: int
    transactions: int
    last_change: datetime | None


def parse_moment(text: str) -> datetime:
    """Of a time as in ISO 8601, with its distance to UTC.

    Raises:
        MomentInvalidError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MomentInvalidError(f"This is no time as in ISO 8601: {text}") from None
    if moment.tzinfo is None:
        raise MomentInvalidError("A time needs its distance to UTC: …Z or …+02:00.")
    return moment


def require_possible(*, manifest: Manifest, until: datetime, at: datetime) -> None:
    """Look before anything is changed.

    Raises:
        MomentInvalidError: it is earlier than the archive, or has not come yet.
        TrailPendingError: changes before it have not reached the audit database.
        TrailUnfitError: the trail ends before the archive does.
        AuditUnavailableError: the audit database does not answer.
    """
    if not manifest.moment.snapshot or settings.DATABASE_SHARDING == "citus":
        raise TrailUnfitError(
            "On a cluster every node numbers its own transactions: which of them are in the archive"
            " cannot be told, there or of an archive from there."
        )
    if until <= datetime.fromisoformat(manifest.moment.at):
        raise MomentInvalidError(
            f"The archive is of {manifest.moment.at}; an earlier moment needs an earlier archive."
        )
    if until > at:
        raise MomentInvalidError("That moment has not come yet.")
    tenant_id = UUID(manifest.tenant_id)
    if trail.last_sequence(tenant_id=tenant_id) < manifest.moment.sequence:
        raise TrailUnfitError(
            "The audit database does not hold the trail of this archive's tenant."
        )
    if waiting := _waiting(tenant_id, until):
        raise TrailPendingError(
            f"{waiting} changes before that moment are not in the audit database yet. "
            "See that `manage.py audit relay` runs, then try again.",
            waiting=waiting,
        )


def _waiting(tenant_id: UUID, until: datetime) -> int:
    """Of the tenant itself, if it is here: changes that the relay has not moved."""
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        tenant = Tenant.objects.filter(id=tenant_id).first()
        if tenant is None:
            return 0
        outbox = sql.Identifier(tenant.schema_name, "audit_outbox")
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [outbox.as_string(None)])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            sql.SQL("SELECT count(*) FROM {} WHERE created_at < %s").format(outbox), [until]
        )
        return int(cursor.fetchone()[0])


def replay(cursor: Any, *, schema: str, manifest: Manifest, until: datetime) -> Replayed:
    """Bring rows that are as in the archive to a moment, in the caller's transaction.

    Raises:
        TrailUnfitError: the trail does not lead from the archive to the moment; roll back.
    """
    audited = {table.entity: table for table in triggers.tables(shared=False)}
    cursor.execute("SET LOCAL TimeZone = 'UTC'")  # as the trail's values were written
    cursor.execute(_CREATE)
    _gather(cursor, manifest, audited)
    moment = {"snapshot": manifest.moment.snapshot, "at": manifest.moment.at, "until": until}
    cursor.execute(_OTHER_CLUSTER, moment)
    if cursor.fetchone()[0]:
        raise TrailUnfitError(
            "Changes after the archive were made in another database cluster than the archive; "
            "which of them it holds cannot be told."
        )
    cursor.execute(_OUTSIDE, moment)
    cursor.execute(_BROKEN)
    if row := cursor.fetchone():
        raise TrailUnfitError("The trail has a hole.", table=row[0], record=row[1])
    columns = {table.name: table.columns for table in manifest.tables}
    cursor.execute("SELECT DISTINCT table_name FROM pg_temp.trail_since ORDER BY 1")
    changed = [name for (name,) in cursor.fetchall()]
    _require_replayable(
        cursor, schema, [table for table in audited.values() if table.name in changed]
    )
    keys = {table.name: table.keys for table in audited.values()}
    statements = {
        name: {
            "table": sql.Identifier(schema, name),
            "name": sql.Literal(name),
            "record_id": record_id_of("to_jsonb(now)", keys[name]),
            "columns": sql.SQL(", ").join(map(sql.Identifier, columns[name])),
            "values": sql.SQL(", ").join(sql.Identifier("row", c) for c in columns[name]),
        }
        for name in changed
    }
    for name, parts in statements.items():
        cursor.execute(sql.SQL(_UNLIKE_ARCHIVE).format(**parts))
        if row := cursor.fetchone():
            raise TrailUnfitError(
                "The trail does not go on from the archive's rows.",
                table=name,
                record=row[0],
            )
    # Out with all before the first comes in: values that must be unique may have changed hands.
    for statement in (_REMOVE, _INSERT):
        for parts in statements.values():
            cursor.execute(sql.SQL(statement).format(**parts))
    cursor.execute(
        "SELECT count(*), count(DISTINCT transaction_id), max(created_at) FROM pg_temp.trail_since"
    )
    return Replayed(until, *cursor.fetchone())


def _gather(cursor: Any, manifest: Manifest, audited: dict[str, AuditedTable]) -> None:
    """The trail since the archive's, whole, into the temporary table."""
    expected = manifest.moment.sequence
    with (
        connections[MIGRATION_ALIAS].wrap_database_errors,
        cursor.copy("COPY pg_temp.trail_since FROM STDIN") as copy,
    ):
        for entry in trail.iterate_entries(tenant_id=UUID(manifest.tenant_id), after=expected):
            expected += 1
            if entry.sequence != expected:
                raise TrailUnfitError(
                    "The trail has a hole; perhaps what is old was pruned.", sequence=expected
                )
            if (table := audited.get(entry.entity_type)) is not None:
                old = leaving_out.without_erased(table.name, entry.old_values)
                new = leaving_out.without_erased(table.name, entry.new_values)
                copy.write_row(
                    (
                        entry.sequence,
                        entry.created_at,
                        entry.transaction_id,
                        table.name,
                        entry.record_id,
                        old.text,
                        new.text,
                        list(old.erased),
                        list(new.erased),
                        old.is_gone or new.is_gone,
                    )
                )


def _require_replayable(cursor: Any, schema: str, changed: list[AuditedTable]) -> None:
    for table in changed:
        if unrecorded := (*table.exclude, *table.redact):
            raise TrailUnfitError(
                f"The trail does not record {', '.join(unrecorded)} of {table.entity}."
            )
    # Rows are taken out and put in again, which must not take others along.
    cursor.execute(
        "SELECT conname FROM pg_constraint"
        " WHERE connamespace = %s::regnamespace AND contype = 'f' AND confdeltype <> 'a'",
        [sql.Identifier(schema).as_string(None)],
    )
    if row := cursor.fetchone():
        raise TrailUnfitError(f"The key {row[0]} acts when a row is deleted.")
