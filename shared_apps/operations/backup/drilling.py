"""`installation drill`: is what was backed up really there? Restored beside the installation, compared, thrown away."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psycopg import conninfo

from shared_apps.audit.chain import verifying
from shared_apps.core.errors import explain
from shared_apps.operations.backup import (
    checking,
    scratch,
    server_roles,
    sources,
    tools,
    unpacking,
)
from shared_apps.operations.backup.manifest import Manifest
from shared_apps.operations.backup.sources import Source
from shared_apps.operations.errors import RestoreRefusedError

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Chain:
    """A tenant's trail in the restored audit database."""

    tenant_id: str
    entries: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drill:
    backup: str
    version: str
    rows_of: str
    tenants: int
    tables: int
    rows: int
    differences: tuple[str, ...]
    chains: int
    entries: int
    broken_chains: tuple[Chain, ...]
    failure: str
    """Why it could not be restored at all; empty: it could."""
    scratch: tuple[str, ...]
    """Databases that were made for it, and dropped."""
    seconds: int

    @property
    def is_good(self) -> bool:
        return not (self.differences or self.broken_chains or self.failure)


def drill(path: Path, *, jobs: int, report: Report) -> Drill:
    """Restore a backup into databases of its own, compare it by content, follow the audit chains.

    Raises:
        BackupInvalidError, ToolError, SettingMissingError, RestoreRefusedError: nothing was tried.
        psycopg.Error: a server went away.
    """
    began = time.monotonic()
    stated = checking.verify(path, report=report)
    live = sources.both()
    require_logins(stated, live)
    failure, differences, chains, names = "", [], [], []
    with scratch.databases(live, roles=stated.roles) as made:
        names = [source.database for source in made.sources.values()]
        try:
            unpacking.unpack(path, stated, made.sources, jobs=jobs, report=report)
        except tools.ToolFailedError as error:
            failure = explain(error)
        else:
            differences = unpacking.compare(stated, made.sources, jobs=jobs, report=report)
            chains = follow(made.sources["audit"], jobs=jobs)
            report(f"audit: {len(chains)} chains followed")
    tables = [
        table
        for database in (stated.application, stated.audit)
        for table in database.contents.values()
    ]
    return Drill(
        backup=str(path),
        version=stated.version,
        rows_of=stated.made_at,
        tenants=len(stated.tenants),
        tables=sum(map(len, tables)),
        rows=stated.application.rows + stated.audit.rows,
        differences=tuple(map(str, differences)),
        chains=len(chains),
        entries=sum(chain.entries for chain in chains),
        broken_chains=tuple(chain for chain in chains if chain.problems),
        failure=failure,
        scratch=tuple(names),
        seconds=int(time.monotonic() - began),
    )


def follow(audit: Source, *, jobs: int) -> list[Chain]:
    """Every chain of an audit database, as its owner."""
    verdicts = verifying.verify(url=conninfo.make_conninfo(**audit.parameters), jobs=jobs)
    return [
        Chain(str(v.tenant_id), v.entries, tuple(map(str, v.problems))) for v in verdicts
    ]  # fmt: skip


def require_logins(stated: Manifest, live: tuple[Source, Source]) -> None:
    """Rights are granted to logins by name, and names of roles begin with the database's.

    Raises:
        RestoreRefusedError: they are others here.
    """
    own = server_roles.logins()
    others = [
        f"{setting} ({login}, here {own.get(setting, 'not set')})"
        for setting, login in stated.logins.items()
        if own.get(setting) != login
    ]
    names = {"application": stated.application.name, "audit": stated.audit.name}
    others += [
        f"the {source.key} database ({names[source.key]}, here {source.database})"
        for source in live
        if names[source.key] != source.database
    ]
    if others:
        raise RestoreRefusedError(
            f"The backup is of an installation with other names: {', '.join(others)}. Give the URLs those names."
        )
