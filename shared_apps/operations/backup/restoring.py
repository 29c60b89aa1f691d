"""`installation restore`: a backup in the place of what is there.

It is unpacked into databases beside the installation's own and proven there; only then are they renamed,
in one transaction where both are on one server. What was there before stays under another name, and
nothing of it is touched when anything fails.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql

from shared_apps.core import servers
from shared_apps.core.errors import explain
from shared_apps.core.servers import Login
from shared_apps.core.version import product_version
from shared_apps.fleet import selectors as fleet
from shared_apps.fleet import services as fleet_services
from shared_apps.onboarding import installation
from shared_apps.operations.backup import (
    checking,
    drilling,
    file_switch,
    scratch,
    secret_marks,
    server_roles,
    sources,
    tools,
    unpacking,
)
from shared_apps.operations.backup.manifest import Manifest
from shared_apps.operations.backup.sources import Source
from shared_apps.operations.errors import RestoreError, RestoreRefusedError
from shared_apps.tenants import files as storage

Report = Callable[[str], None]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Restored:
    manifest: Manifest
    former: tuple[str, ...]
    """Databases and directory that hold what was there before; nothing where nothing was."""


def check(path: Path, *, despite_lost_keys: bool, report: Report) -> Manifest:
    """Everything that can be known before anything is touched.

    Raises:
        BackupInvalidError, RestoreRefusedError, ToolError, SettingMissingError.
    """
    stated = checking.verify(path, report=report)
    own = (product_version(), fleet.get_target().fingerprint)
    if (stated.version, stated.fingerprint) != own:
        same = " with other migrations" if stated.version == own[0] else ""
        raise RestoreRefusedError(
            f"The backup was made by version {stated.version}{same}, this is {own[0]}:"
            " restore it with that version, then upgrade."
        )
    drilling.require_logins(stated, sources.both())
    if (lost := secret_marks.missing(stated.keys)) and not despite_lost_keys:
        raise RestoreRefusedError(
            f"{', '.join(lost)} lack secrets that the backup was made with: add them after the ones in"
            " use (--despite-lost-keys: what they sealed stays closed)."
        )
    if stated.files is not None:
        storage.require_place()
    for key, dumped in (("application", stated.application), ("audit", stated.audit)):
        with scratch.admin(key) as admin:
            version = admin.info.server_version
        if version // 10000 < dumped.server_version // 10000:
            raise RestoreRefusedError(
                f"The {key} database is of PostgreSQL {dumped.server_version // 10000}, the server here"
                f" of {version // 10000}: an older one does not take it."
            )
        tools.require_version("pg_restore", server=dumped.server_version)
    return stated


def find_contents() -> list[str]:
    """What would be replaced, in words; nothing where the installation is empty."""
    application, audit = sources.both()
    found = []
    for source, relation, what in (
        (application, "public.tenants_tenant", "tenants"),
        (application, "public.accounts_user", "people"),
        (audit, "audit.entry", "entries of the audit trail"),
    ):
        with scratch.admin(source.key) as admin:
            query = "SELECT FROM pg_database WHERE datname = %s"
            if admin.execute(query, [source.database]).fetchone() is None:
                continue
        if count := _count(source, relation):
            found.append(f"{count} {what}")
    if settings.MEDIA_ROOT and (count := file_switch.count(Path(settings.MEDIA_ROOT))):
        found.append(f"files of {count} tenants")
    return found


def _count(source: Source, relation: str) -> int:
    with scratch.admin(source.key, database=source.database) as admin:
        if admin.execute("SELECT to_regclass(%s)", [relation]).fetchone() == (None,):
            return 0
        name = sql.Identifier(*relation.split("."))
        row = admin.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
        return int(row[0]) if row else 0


def restore(path: Path, stated: Manifest, *, at: datetime, jobs: int, report: Report) -> Restored:
    """Put a backup that was checked in the place of what is there. Stop all processes first.

    Raises:
        RestoreError: it could not be; what was there before is in its place.
        psycopg.Error: a server went away meanwhile.
    """
    had_contents = bool(find_contents())
    installation.install()
    live = sources.both()
    with scratch.databases(live, roles=stated.roles, keeps=True) as made:
        try:
            unpacking.unpack(path, stated, made.sources, jobs=jobs, report=report)
        except tools.ToolFailedError as error:
            raise RestoreError(f"The backup could not be restored: {explain(error)}") from error
        _require_good(stated, made.sources, jobs, report)
        with made.sources["application"].connect() as connection:
            server_roles.grant(connection, stated.memberships)
        for source in live:
            _let_in(source, made.sources[source.key].database, stated)
        with _files(path, stated, at) as files:
            report("switching over")
            former = _switch(live, made.sources, at)
            files.switch()
        _release(live, former, stated)
    connections.close_all()
    fleet_services.migrate_shared(verbosity=0)
    if not had_contents:
        _drop_former(live, former)
        return Restored(stated, ())
    return Restored(stated, (*former.values(), *files.former))


def _require_good(stated: Manifest, targets: Any, jobs: int, report: Report) -> None:
    problems = list(map(str, unpacking.compare(stated, targets, jobs=jobs, report=report)))
    problems += [
        f"the trail of {chain.tenant_id}: {problem}"
        for chain in drilling.follow(targets["audit"], jobs=jobs)
        for problem in chain.problems
    ]
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise RestoreError(
            f"What was restored is not what was backed up: {'; '.join(problems[:_SHOWN])}{more}."
        )


def _let_in(source: Source, name: str, stated: Manifest) -> None:
    """As `manage.py install` lets the logins into a database that it makes."""
    settings_of = {
        "application": ("DATABASE_URL", "RELAY_DATABASE_URL"),
        "audit": (
            "AUDIT_DATABASE_URL",
            "AUDIT_READER_DATABASE_URL",
            "AUDIT_AUDITOR_DATABASE_URL",
            "AUDIT_RETENTION_DATABASE_URL",
        ),
    }[source.key]
    logins = [Login(stated.logins[s], "", name) for s in settings_of if s in stated.logins]
    with scratch.admin(source.key) as admin:
        servers.ensure_database(admin, Login(source.owner, "", name), logins=logins)


@contextmanager
def _files(path: Path, stated: Manifest, at: datetime) -> "Iterator[file_switch.FileSwitch]":
    root = Path(settings.MEDIA_ROOT) if stated.files is not None else None
    with file_switch.prepared(path, root, stated.files or {}, at=at) as files:
        yield files


def _switch(live: tuple[Source, ...], made: Any, at: datetime) -> dict[str, str]:
    """Rename; returns key → the name that the former database has now."""
    former = {s.key: f"{s.database[:40]}_before_{at:%Y%m%d%H%M%S}" for s in live}
    is_one_server = settings.ADMIN_DATABASE_URL == settings.AUDIT_ADMIN_DATABASE_URL
    groups = [live] if is_one_server else [(source,) for source in reversed(live)]
    for group in groups:
        with (
            scratch.admin(group[0].key) as admin,
            _closed(admin, [source.database for source in group]),
            admin.transaction(),
        ):
            for source in group:
                new = made[source.key].database
                _end_sessions(admin, [source.database, new])
                _rename(admin, source.database, former[source.key])
                _rename(admin, new, source.database)
    return former


@contextmanager
def _closed(admin: psycopg.Connection[Any], names: list[str]) -> Iterator[None]:
    """Nobody gets into the former databases any more, unless the switch fails."""
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    for name in names:
        admin.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
    try:
        yield
    except BaseException:
        for name in names:
            admin.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
        raise


def _end_sessions(admin: psycopg.Connection[Any], names: list[str]) -> None:
    admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = ANY (%s) AND pid <> pg_backend_pid()",
        [names],
    )


def _rename(admin: psycopg.Connection[Any], name: str, new: str) -> None:
    admin.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(new))
    )


def _release(live: tuple[Source, ...], former: dict[str, str], stated: Manifest) -> None:
    """The former databases are for superusers to look into. Roles have no rights there any more: no tenant
    and no spare schema could be dropped otherwise, here, as long as they are kept."""
    for source in live:
        with scratch.admin(source.key) as admin:
            roles = server_roles.list_roles(admin, database=stated.application.name)
            name = sql.Identifier(former[source.key])
            admin.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(name))
            admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
            with scratch.admin(source.key, database=former[source.key]) as inside:
                for role in roles:
                    inside.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            if source.key == "application":
                # Of tenants and people who came after the backup.
                server_roles.drop(admin, set(roles) - set(stated.roles))


def _drop_former(live: tuple[Source, ...], former: dict[str, str]) -> None:
    for source in live:
        with scratch.admin(source.key) as admin:
            admin.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(former[source.key]))
            )
