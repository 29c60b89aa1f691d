"""`tenant export`: one tenant into one archive.

Tables are asked for by the schema's number in the catalogue and copied out in one snapshot; a dump of one
schema by pg_dump looks at every schema of the database first and takes 20 s among a thousand.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction
from psycopg import sql

from shared_apps.accounts.choices import Role
from shared_apps.audit import selectors as trail
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.version import product_version
from shared_apps.fleet import selectors as fleet
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.onboarding import describing, selectors
from shared_apps.onboarding.archive import secrets, sequences
from shared_apps.onboarding.archive.catalogue import columns_of
from shared_apps.onboarding.archive.manifest import (
    AUDIT,
    FILES,
    PEOPLE,
    TABLES,
    Manifest,
    Moment,
    Sequence,
    Table,
)
from shared_apps.onboarding.archive.writing import Writer, writing
from shared_apps.onboarding.errors import SchemaNotCurrentError
from shared_apps.tenants import files as storage
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.errors import StateTransitionError, TenantNotReadyError

_IN_MEMORY = 8 << 20  # bytes of one table; more is kept beside the archive while it is counted

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Contents:
    moment: Moment
    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]
    roles: dict[str, tuple[str, ...]]
    people: int
    pending: int


def export_tenant(
    *, slug: str, path: Path, at: datetime, passphrase: str = "",
    report: Report = lambda line: None,
) -> Manifest:  # fmt: skip
    """Write a tenant into a new file, which has its name once it was read back and proven.

    Rows are those of one moment. Files and the trail are read after it: suspend the tenant first
    where they must belong to the same moment. With a passphrase the secrets of its sign-in and mail go
    along, sealed with it.

    Raises:
        TenantNotFoundError, TenantNotReadyError: there is nothing to export.
        SchemaNotCurrentError: its schema is not at this code's version.
        FilesPlaceMissingError, ArchiveExistsError, ArchiveWriteError, SecretsUnreadableError: nothing was
            written.
    """
    tenant = tenants_read.get_tenant(slug=slug)
    if tenant.state in UNFINISHED:
        raise TenantNotReadyError(state=tenant.state.lower())
    if tenant.state == TenantState.DELETED:
        raise StateTransitionError("Some of this tenant is deleted already.", state=tenant.state)
    storage.require_place()
    identity = tenant.identity
    fingerprint = _require_current(slug)
    with context.operator():
        declared = describing.describe(tenant)
    sealed = ""
    if passphrase:
        own = secrets.read(tenant_id=identity.id)
        sealed = secrets.seal(own, passphrase=passphrase, tenant_id=identity.id)
    setups = selectors.list_setups(tenant_ids=[identity.id])
    with writing(path) as writer:
        contents = _rows(identity, writer, path.parent, report)
        names = _files(identity, writer, report)
        entries = _audit(identity.id, writer, path.parent)
        report(f"audit trail: {entries} entries")
        manifest = Manifest(
            version=product_version(),
            fingerprint=fingerprint,
            tenant_id=str(identity.id),
            exported_at=at.isoformat(),
            moment=contents.moment,
            state=tenant.state.lower(),
            declared=declared,
            setups=tuple(sorted(setups.get(identity.id, ()))),
            tables=contents.tables,
            sequences=contents.sequences,
            roles=contents.roles,
            people=contents.people,
            files=names,
            audit_entries=entries,
            audit_pending=contents.pending,
            members=dict(writer.members),
            secrets=sealed,
        )
        writer.close(manifest)
        report("reading it back")
    return manifest


def _require_current(slug: str) -> str:
    member = fleet.list_members(slug=slug)[0]
    target = fleet.get_target().fingerprint
    if member.fingerprint != target or member.is_between:
        raise SchemaNotCurrentError(slug=slug)
    return target


def _rows(identity: TenantIdentity, writer: Writer, directory: Path, report: Report) -> _Contents:
    # Asked first: what the relay has moved by now was committed before the snapshot.
    sequence = trail.last_sequence(tenant_id=identity.id)
    with (
        context.operator(),
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_current_snapshot()::text, clock_timestamp()")
        snapshot, at = cursor.fetchone()
        columns = columns_of(cursor, identity.schema)
        tables = []
        for number, (name, own) in enumerate(columns.items(), start=1):
            rows = _copy_out(cursor, identity.schema, name, own, writer, directory)
            tables.append(Table(name, own, rows))
            report(f"[{number}/{len(columns)}] {name}: {rows} rows")
        numbered = sequences.read(cursor, schema=identity.schema)
        roles = _roles(cursor, identity.id)
        people = _people(cursor, identity.id, writer, directory)
        outbox = sql.Identifier(identity.schema, "audit_outbox")
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(outbox))
        return _Contents(
            moment=Moment(
                at.isoformat(), "" if settings.DATABASE_SHARDING == "citus" else snapshot, sequence
            ),
            tables=tuple(tables),
            sequences=numbered,
            roles=roles,
            people=people,
            pending=cursor.fetchone()[0],
        )


def _copy_out(
    cursor: Any,
    schema: str,
    name: str,
    columns: tuple[str, ...],
    writer: Writer,
    directory: Path,
) -> int:
    statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
        sql.Identifier(schema, name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    rows = 0
    with (
        _spooled(writer, TABLES + name, directory) as file,
        connections[MIGRATION_ALIAS].wrap_database_errors,
        cursor.copy(statement) as copy,
    ):
        for data in copy:
            rows += bytes(data).count(b"\n")  # in text a row is a line
            file.write(data)
    return rows


def _roles(cursor: Any, tenant_id: UUID) -> dict[str, tuple[str, ...]]:
    cursor.execute(
        "SELECT name, permissions FROM public.accounts_tenantrole WHERE tenant_id = %s",
        [tenant_id],
    )
    return {name: tuple(permissions) for name, permissions in cursor.fetchall()}


def _people(cursor: Any, tenant_id: UUID, writer: Writer, directory: Path) -> int:
    """Who works in the tenant, and as what. No passwords: they belong to the people.

    Of people of its directory also whom that means by them, so that whoever is shut out stays so. Without
    those whom only a former directory knows.
    """
    cursor.execute(
        "SELECT u.id, u.email, u.name,"
        # A role that was deleted is not the one that has its name now.
        " CASE WHEN r.custom_role_id IS NOT NULL OR r.role = ANY (%s) THEN r.role END,"
        " r.is_active, r.granted_at, r.origin, i.external_id, i.username, u.realm IS NOT NULL"
        " FROM public.accounts_usertenantrole r JOIN public.accounts_user u ON u.id = r.user_id"
        " LEFT JOIN public.authn_authconfiguration c ON c.tenant_id = r.tenant_id"
        " LEFT JOIN public.accounts_identity i ON i.user_id = u.id AND i.realm = c.realm"
        " WHERE r.tenant_id = %s"
        " AND (i.id IS NOT NULL OR u.realm IS NULL AND r.origin = 'granted')"
        " ORDER BY u.email, i.external_id",
        [Role.values, tenant_id],
    )
    rows = cursor.fetchall()
    with _spooled(writer, PEOPLE, directory) as file:
        for user_id, email, name, role, is_active, granted_at, origin, *told in rows:
            external_id, username, is_all = told
            account = {"external_id": external_id, "username": username, "is_all": is_all}
            _write_line(
                file,
                {
                    "id": str(user_id),
                    "email": email,
                    "name": name,
                    "role": role,
                    "is_active": is_active,
                    "granted_at": granted_at.isoformat(),
                    "origin": origin,
                    "account": account if external_id is not None else None,
                },
            )
    return len(rows)


def _files(identity: TenantIdentity, writer: Writer, report: Report) -> int:
    count = 0
    with context.tenant(identity):
        root = storage.directory()
        for name in storage.walk():
            # Nobody but this product writes there; a link that somebody put there is not followed.
            descriptor = os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                writer.add(FILES + name, file, os.fstat(file.fileno()).st_size)
            count += 1
    report(f"files: {count}")
    return count


def _audit(tenant_id: UUID, writer: Writer, directory: Path) -> int:
    count = 0
    with _spooled(writer, AUDIT, directory) as file:
        # Sealed: whoever is erased later is erased from archives' trails as well.
        for entry in trail.iterate_entries(tenant_id=tenant_id, opened=False):
            count += 1
            _write_line(
                file,
                {
                    "sequence": entry.sequence,
                    "uid": str(entry.uid),
                    "created_at": entry.created_at.isoformat(),
                    "entity_type": entry.entity_type,
                    "operation": entry.operation,
                    "record_id": entry.record_id,
                    # As texts: these bytes are what was hashed.
                    "old_values": entry.old_values,
                    "new_values": entry.new_values,
                    "diff": entry.diff,
                    "modified_by": entry.modified_by,
                    "attribution": entry.attribution,
                    "request_id": entry.request_id,
                    "hash": entry.hash.hex(),
                },
            )
    return count


def _write_line(file: IO[bytes], value: dict[str, Any]) -> None:
    file.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")


@contextmanager
def _spooled(writer: Writer, name: str, directory: Path) -> Iterator[IO[bytes]]:
    """What is written becomes a member: a tar wants to know the size first."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(directory)) as file:
        yield file
        size = file.tell()
        file.seek(0)
        writer.add(name, file, size)
