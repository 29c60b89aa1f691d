"""Rows of an archive into a schema that was just made, in one transaction as the owner of its tables."""

import hashlib
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.db import connections, transaction
from psycopg import sql

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.onboarding.archive import sequences
from shared_apps.onboarding.archive.catalogue import columns_of
from shared_apps.onboarding.archive.manifest import TABLES, Manifest, Member, Table
from shared_apps.onboarding.archive.replaying import Replayed, replay
from shared_apps.onboarding.archive.verifying import opened
from shared_apps.onboarding.errors import ArchiveInvalidError

RESTORED = "tenants.restored"
"""What the trail calls the one entry that stands for all rows of a restore."""

_CHUNK = 1 << 20
_ENABLE = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}


@dataclass(frozen=True, slots=True)
class _Trigger:
    table: str
    name: str
    enabled: str


def load(
    *,
    identity: TenantIdentity,
    path: Path,
    manifest: Manifest,
    until: datetime | None = None,
    report: Callable[[str], None],
) -> None:
    """Replace the rows of all tables by those of the archive, or by what became of them until a moment.

    The schema's own triggers rest meanwhile: those that record changes, because the rows were recorded
    when they were made (the trail says once that they came from an archive), and those that keep an
    issued document from being changed. Keys and checks do not rest.

    Raises:
        ArchiveInvalidError: its tables are not the schema's; nothing was changed.
        TrailUnfitError: the trail does not lead from the archive to the moment; nothing was changed.
    """
    schema = identity.schema
    with (
        context.operator(),
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        _require_fitting(cursor, schema, manifest)
        triggers = _triggers(cursor, schema)
        tables = [sql.Identifier(schema, table.name) for table in manifest.tables]
        for table in tables:
            cursor.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(table))
        if tables:
            # What migrations put into a new schema is in the archive as well.
            cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
        _copy_all(cursor, schema, path, manifest, report)
        sequences.put_back(cursor, schema=schema, given=manifest.sequences)
        replayed = None
        if until is not None:
            report(f"replaying the trail until {until.isoformat()}")
            replayed = replay(cursor, schema=schema, manifest=manifest, until=until)
            sequences.raise_to_rows(cursor, schema=schema)
            report(f"replayed {replayed.changes} changes of {replayed.transactions} transactions")
        # Foreign keys are looked at now: a table with checks to come cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for trigger in triggers:
            if trigger.enabled in _ENABLE:
                cursor.execute(
                    sql.SQL("ALTER TABLE {} " + _ENABLE[trigger.enabled] + " TRIGGER {}").format(
                        sql.Identifier(schema, trigger.table), sql.Identifier(trigger.name)
                    )
                )
        assert _triggers(cursor, schema) == triggers
        _say_so(cursor, identity, manifest, replayed)


def _require_fitting(cursor: Any, schema: str, manifest: Manifest) -> None:
    present = columns_of(cursor, schema)
    given = {table.name: table.columns for table in manifest.tables}
    numbered = {sequence.name for sequence in manifest.sequences}
    if (
        {name: set(columns) for name, columns in present.items()}
        != {name: set(columns) for name, columns in given.items()}
        or any(len(set(columns)) != len(columns) for columns in given.values())
        or numbered != {sequence.name for sequence in sequences.owned(cursor, schema=schema)}
    ):
        raise ArchiveInvalidError("The archive's tables are not those of this version.")


def _triggers(cursor: Any, schema: str) -> list[_Trigger]:
    cursor.execute(
        "SELECT c.relname, t.tgname, t.tgenabled::text FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
        " AND NOT t.tgisinternal ORDER BY c.relname, t.tgname",
        [schema],
    )
    return [_Trigger(*row) for row in cursor.fetchall()]


def _copy_all(
    cursor: Any, schema: str, path: Path, manifest: Manifest, report: Callable[[str], None]
) -> None:
    tables = {table.name: table for table in manifest.tables}
    done = 0
    with opened(path) as (tar, _):
        for info in tar:
            if info.name.startswith(TABLES):
                table = tables[info.name.removeprefix(TABLES)]
                _copy_in(cursor, schema, table, source_of(tar, info), manifest.members[info.name])
                done += 1
                report(f"[{done}/{len(tables)}] {table.name}: {table.rows} rows")


def _copy_in(cursor: Any, schema: str, table: Table, source: IO[bytes], member: Member) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema, table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    digest = hashlib.sha256()
    with cursor.copy(statement) as copy:
        while data := source.read(_CHUNK):
            digest.update(data)
            copy.write(data)
    if digest.hexdigest() != member.sha256 or cursor.rowcount != table.rows:
        raise ArchiveInvalidError("The archive changed while it was read.", member=table.name)


def source_of(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    """Raises ArchiveInvalidError: it is no plain file."""
    source = tar.extractfile(info)
    if source is None:
        raise ArchiveInvalidError("The archive changed while it was read.")
    return source


def _say_so(
    cursor: Any, identity: TenantIdentity, manifest: Manifest, replayed: Replayed | None
) -> None:
    until = {} if replayed is None else {
        "until": replayed.until.isoformat(), "changes": replayed.changes
    }  # fmt: skip
    cursor.execute(
        sql.SQL(
            "INSERT INTO {} (table_name, operation, record_id, new_values, attribution, database_role)"
            " VALUES (%s, 'CREATE', %s, %s, %s, current_user)"
        ).format(sql.Identifier(identity.schema, "audit_outbox")),
        [
            RESTORED,
            str(identity.id),
            json.dumps(
                {
                    "id": str(identity.id),
                    "from_tenant": manifest.tenant_id,
                    "exported_at": manifest.exported_at,
                    **until,
                    "rows": {table.name: table.rows for table in manifest.tables},
                    "sha256": {
                        name: member.sha256
                        for name, member in manifest.members.items()
                        if name.startswith(TABLES)
                    },
                }
            ),
            attribution.current().as_json,
        ],
    )
