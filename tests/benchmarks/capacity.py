"""What an installation of so many tenants of 40 tables takes: `scripts/capacity [--json] [TENANTS...]`.

Locks and sessions are the most that were seen while the command ran, those of the two databases together.
"""

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from scripts.stack.binaries import ensure_binaries
from tests.benchmarks.tenants import project
from tests.benchmarks.tenants.setting_up import Place, place

_ROWS = 100
# What PostgreSQL comes with.
_USUAL = {"max_locks_per_transaction": "64", "max_connections": "100"}
_FILL = """
DO $$ DECLARE s text; BEGIN
    FOR s IN SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%' LOOP
        EXECUTE format('INSERT INTO %I.bench_a_alpha (name, code, amount, created_at)
            SELECT ''row '' || n, ''code'', n, now() FROM generate_series(1, {rows}) n', s);
        COMMIT;
    END LOOP; END $$
"""


@dataclass(frozen=True, slots=True)
class Taken:
    seconds: float
    locks: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Capacity:
    tenants: int
    room: int
    """Locks that the server has room for: max_locks_per_transaction times its connections."""
    relations: int
    database_mb: int
    migrate: Taken
    backup: Taken
    backup_mb: int
    verify: Taken
    drill: Taken
    one_pg_dump: str
    """What became of a pg_dump of all schemas at once."""
    one_pg_dump_locks: int


class _Watch:
    def __init__(self, url: str) -> None:
        self._url = url
        self.locks = self.sessions = 0
        self._stopping = threading.Event()

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stopping.wait(0.1):
                row = connection.execute(
                    "SELECT (SELECT count(*) FROM pg_locks WHERE NOT fastpath),"
                    " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
                ).fetchone()
                assert row is not None
                self.locks, self.sessions = max(self.locks, row[0]), max(self.sessions, row[1] - 1)

    def stop(self) -> None:
        self._stopping.set()


@contextmanager
def _watched(url: str) -> Iterator[_Watch]:
    watch = _Watch(url)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join()


def _command(here: Place, *arguments: str) -> Taken:
    with _watched(here.site.servers.admin_url) as watch:
        seconds = here.run("ours", arguments)
    return Taken(seconds, watch.locks, watch.sessions)


def _dump_at_once(here: Place, path: Path) -> tuple[str, int]:
    url = here.environments["ours"]["MIGRATION_DATABASE_URL"]
    program = ensure_binaries().postgres("pg_dump")
    with _watched(here.site.servers.admin_url) as watch:
        done = subprocess.run(
            [program, "-d", url, "-Fc", "-f", path], capture_output=True, text=True, check=False
        )
    path.unlink(missing_ok=True)
    lines = [line for line in done.stderr.splitlines() if "ERROR" in line or "error" in line]
    return (lines[0] if lines else "failed") if done.returncode else "succeeded", watch.locks


def measure(tenants: int) -> Capacity:
    with place(_USUAL) as here:
        with here.worker("ours:Ours", "ours") as ours:
            ours.call("install", tenants=tenants)
        with psycopg.connect(
            here.environments["ours"]["MIGRATION_DATABASE_URL"], autocommit=True
        ) as owner:
            owner.execute(_FILL.format(rows=_ROWS))
            row = owner.execute(
                "SELECT (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'S')),"
                " pg_database_size(current_database()) / 1000000,"
                " current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int"
            ).fetchone()
            assert row is not None
        project.release(here.directory)
        migrate = _command(here, "fleet", "-v0", "migrate")
        backups = here.site.directory / "backups"
        backup = _command(here, "installation", "backup", str(backups))
        size = sum(path.stat().st_size for path in backups.rglob("*") if path.is_file())
        outcome, locks = _dump_at_once(here, here.site.directory / "whole.dump")
        return Capacity(
            tenants=tenants,
            relations=row[0],
            database_mb=row[1],
            room=row[2],
            migrate=migrate,
            backup=backup,
            backup_mb=size // 1_000_000,
            verify=_command(here, "installation", "verify", str(backups)),
            drill=_command(here, "installation", "drill", str(backups)),
            one_pg_dump=outcome,
            one_pg_dump_locks=locks,
        )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/capacity", description=__doc__)
    parser.add_argument("tenants", nargs="*", type=int, default=[50, 200, 500])
    parser.add_argument("--json", action="store_true", help="a line for each number of tenants")
    options = parser.parse_args(arguments)
    for tenants in options.tenants:
        found = measure(tenants)
        if options.json:
            print(json.dumps(asdict(found)), flush=True)
            continue
        print(
            f"{tenants} tenants, {found.relations} relations, {found.database_mb} MB,"
            f" room for {found.room} locks"
        )
        for name in ("migrate", "backup", "verify", "drill"):
            taken: Taken = getattr(found, name)
            print(
                f"  {name:<8}{taken.seconds:8.1f} s  {taken.locks:6} locks  {taken.sessions:3} sessions"
            )
        print(f"  backup {found.backup_mb} MB; one pg_dump of everything: {found.one_pg_dump}")
        print(f"  {found.one_pg_dump_locks} locks", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
