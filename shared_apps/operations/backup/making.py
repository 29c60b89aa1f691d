"""`installation backup`: both databases and the files into a new directory, while everything goes on."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock

from django.conf import settings

from shared_apps.core.errors import explain
from shared_apps.core.version import product_version
from shared_apps.fleet import selectors as fleet
from shared_apps.operations.backup import (
    contents,
    files,
    manifest,
    moment,
    places,
    portions,
    secret_marks,
    server_roles,
    sources,
    tools,
)
from shared_apps.operations.backup.manifest import (
    DatabaseDump,
    Dump,
    Manifest,
    Member,
    TenantState,
    member_of,
)
from shared_apps.operations.backup.moment import Moment, Snapshot
from shared_apps.operations.errors import BackupError
from shared_apps.tenants import files as storage

Report = Callable[[str], None]

_TENANTS = """
SELECT t.slug, t.id::text, t.schema_name, t.state, coalesce(v.fingerprint, ''), coalesce(v.is_between, false)
FROM public.tenants_tenant t LEFT JOIN public.fleet_schemaversion v ON v.schema_name = t.schema_name
ORDER BY t.slug
"""
_APPLIED = "SELECT app || '.' || name FROM public.django_migrations ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Made:
    path: Path
    manifest: Manifest
    removed: tuple[Path, ...]


def make_backup(
    place: Path,
    *,
    at: datetime,
    with_files: bool = True,
    jobs: int = 2,
    keep: int | None = None,
    report: Report,
) -> Made:
    """Write a new backup below `place`, which has its name once it is whole; then remove all but `keep`.

    Raises:
        FilesPlaceMissingError: without FILES_ROOT it would seem that there are none.
        BackupError, ToolError, SettingMissingError: there is none, and nothing is left of it.
        psycopg.Error: a database went away; nothing is left.
    """
    if settings.DATABASE_SHARDING == "citus":
        raise BackupError(
            "A Citus cluster is backed up node by node, by its own means (docs/scaling-citus.md)."
        )
    if with_files:
        storage.require_place()
    root = Path(settings.MEDIA_ROOT) if with_files else None
    application, audit = sources.both()
    with places.locked(place), places.writing(place, at=at) as (part, final):
        try:
            with moment.taken(application, audit) as taken:
                _require_tools(taken)
                made = _Making(part, taken, jobs, report).run(root, at=taken.at)
        except (tools.ToolFailedError, OSError) as error:
            raise BackupError(f"The backup could not be made: {explain(error)}") from error
        (part / manifest.NAME).write_bytes(made.as_json())
        _write_sums(part, made)
    with places.locked(place):
        removed = places.keep_newest(place, keep) if keep else []
    return Made(final, made, tuple(removed))


def _require_tools(taken: Moment) -> None:
    tools.find("pg_restore")
    newest = max(taken.application.server_version, taken.audit.server_version)
    tools.require_version("pg_dump", server=newest)


def _write_sums(part: Path, made: Manifest) -> None:
    """For `sha256sum -c`, where there is no Freehold."""
    members = {**made.members, manifest.NAME: member_of(part / manifest.NAME)}
    lines = [f"{member.sha256}  {name}\n" for name, member in sorted(members.items())]
    (part / manifest.SUMS).write_text("".join(lines))


class _Making:
    def __init__(self, part: Path, taken: Moment, jobs: int, report: Report) -> None:
        self._part = part
        self._moment = taken
        self._jobs = jobs
        self._report = report
        self._contents: dict[str, dict[str, dict[str, tuple[int, str]]]] = {}
        self._members: dict[str, Member] = {}
        self._lock = Lock()

    def run(self, root: Path | None, *, at: datetime) -> Manifest:
        # The audit database is one piece, and mostly the largest: it is begun first.
        snapshots = (self._moment.audit, self._moment.application)
        before = {s.source.key: contents.definitions(s.session) for s in snapshots}
        plans = {s.source.key: self._plan(s) for s in snapshots}
        pieces = [(snapshot, dump) for snapshot in snapshots for dump in plans[snapshot.source.key]]
        self._work(
            [partial(self._dump, *piece) for piece in pieces]
            + [partial(self._measure, *piece) for piece in pieces]
        )
        found = self._pack(root)
        for snapshot in snapshots:
            _require_unchanged(snapshot, before[snapshot.source.key])
        return self._manifest(plans, found, at)

    def _plan(self, snapshot: Snapshot) -> list[Dump]:
        schemas = contents.list_schemas(snapshot.session)
        parts = portions.portions(schemas, room=portions.room(snapshot.session), jobs=self._jobs)
        return [
            Dump(f"{snapshot.source.key}-{number:04d}.dump", part)
            for number, part in enumerate(parts)
        ]

    def _work(self, pieces: Sequence[Callable[[], str]]) -> None:
        with ThreadPoolExecutor(self._jobs) as pool:
            running: list[Future[str]] = [pool.submit(piece) for piece in pieces]
            try:
                for number, done in enumerate(as_completed(running), start=1):
                    self._report(f"[{number}/{len(pieces)}] {done.result()}")
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _dump(self, snapshot: Snapshot, dump: Dump) -> str:
        path = self._part / dump.file
        arguments: list[str | Path] = ["--format=custom", f"--snapshot={snapshot.name}"]
        arguments += ["--no-comments", "--file", path, "--lock-wait-timeout=60000"]
        # Quoted, as a name and not as a pattern.
        arguments += [f'--schema="{schema}"' for schema in dump.schemas]
        tools.run("pg_dump", snapshot.source, arguments)
        member = member_of(path)
        with self._lock:
            self._members[dump.file] = member
        return f"{snapshot.source.key}: {_named(dump)} dumped, {member.size:,} bytes"

    def _measure(self, snapshot: Snapshot, dump: Dump) -> str:
        rows = 0
        for schema in dump.schemas:
            # A transaction each, which lets go of its locks.
            with snapshot.seen() as connection:
                contents.set_forms(connection)
                measured = contents.measure(connection, schema)
            rows += sum(count for count, _ in measured.values())
            with self._lock:
                self._contents.setdefault(snapshot.source.key, {})[schema] = measured
        return f"{snapshot.source.key}: {_named(dump)} measured, {rows:,} rows"

    def _pack(self, root: Path | None) -> dict[str, int] | None:
        if root is None:
            return None
        path = self._part / files.ARCHIVE
        found = files.pack(root, path)
        self._members[files.ARCHIVE] = member_of(path)
        self._report(f"files: {sum(found.values())}")
        return found

    def _manifest(
        self, plans: dict[str, list[Dump]], found: dict[str, int] | None, at: datetime
    ) -> Manifest:
        session = self._moment.application.session
        roles = server_roles.list_roles(session, database=self._moment.application.source.database)
        return Manifest(
            version=product_version(),
            made_at=at.isoformat(),
            finished_at=datetime.now(UTC).isoformat(),
            fingerprint=fleet.get_target().fingerprint,
            shared_migrations=tuple(row[0] for row in session.execute(_APPLIED)),
            application=self._database(self._moment.application, plans),
            audit=self._database(self._moment.audit, plans),
            tenants=tuple(TenantState(*row) for row in session.execute(_TENANTS)),
            logins=server_roles.logins(),
            roles=roles,
            memberships=server_roles.list_memberships(session, roles),
            files=found,
            keys=secret_marks.marks(),
            members=dict(self._members),
        )

    def _database(self, snapshot: Snapshot, plans: dict[str, list[Dump]]) -> DatabaseDump:
        return DatabaseDump(
            name=snapshot.source.database,
            owner=snapshot.source.owner,
            server_version=snapshot.server_version,
            dumps=tuple(plans[snapshot.source.key]),
            contents=self._contents.get(snapshot.source.key, {}),
        )


def _named(dump: Dump) -> str:
    first, *more = dump.schemas
    return f"{first} and {len(more)} more" if more else first


def _require_unchanged(snapshot: Snapshot, before: dict[tuple[str, str], str]) -> None:
    """pg_dump reads rows of the moment, and definitions partly of now: the two must be the same."""
    with snapshot.source.connect() as connection:
        after = contents.definitions(connection)
    changed = sorted({table[0] for table, mark in before.items() if after.get(table) != mark})
    if changed:
        raise BackupError(
            f"While the backup was made, definitions changed in {', '.join(changed[:5])}"
            f"{' …' if changed[5:] else ''}: a migration or a deletion ran. Make it again."
        )
