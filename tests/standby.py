"""A streaming standby of the suite's own server, as a process of the suite."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from django.conf import settings

from scripts.stack.binaries import Binaries, ensure_binaries
from scripts.stack.pip import wait
from scripts.stack.postgres import EmbeddedPostgres
from scripts.stack.private_files import make_enterable, write_json
from scripts.stack.process import spawn
from tests.waiting import wait_until


class Standby(EmbeddedPostgres):
    """Has the primary's passwords, and follows it until it is stopped."""

    def __init__(self, directory: Path, *, primary_url: str, binaries: Binaries) -> None:
        super().__init__(directory, binaries=binaries, durable=False)
        self._primary_url = primary_url
        make_enterable(directory)
        password = unquote(urlsplit(primary_url).password or "")
        write_json(directory / "endpoint.json", {"password": password})

    def _initialise(self) -> None:
        self._own_directory(self._data)
        with self.directory.appended_log() as (log, _):
            copying = spawn(
                [
                    self._binaries.postgres("pg_basebackup"),
                    f"--dbname={self._primary_url}",
                    f"--pgdata={self._data}",
                    *("--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"),
                    "--no-sync",
                ],
                stdout=log,
                cwd=Path("/"),
                env={k: v for k, v in os.environ.items() if not k.startswith("PG")},
                identity=self._identity,
            )
            assert wait(copying) == 0, self.directory.log.read_text()

    def ask(self, query: str) -> object:
        """The first value, asked by its superuser in the product's database."""
        server = self.url.rpartition("/")[0]
        with psycopg.connect(f"{server}/{settings.DATABASES['default']['NAME']}") as admin:
            row = admin.execute(query).fetchone()  # type: ignore[call-overload]  # of the tests
        return row[0] if row else None

    def pause(self) -> None:
        """What the primary does from now on is not seen here until `resume`."""
        self.ask("SELECT pg_wal_replay_pause()")
        wait_until(
            lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused", "replay pauses"
        )

    def resume(self) -> None:
        self.ask("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Return when everything that the primary has done by now is seen here."""
        with psycopg.connect(settings.ADMIN_DATABASE_URL) as primary:
            primary.autocommit = True
            row = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
            # Where the next record goes may be behind a page's header: nothing ends there before there is one.
            primary.execute("SELECT txid_current()")
        assert row is not None
        wait_until(
            lambda: self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{row[0]}'") is True,
            "the standby catches up",
        )


@contextmanager
def running_standby(directory: Path) -> Iterator[Standby]:
    standby = Standby(
        directory, primary_url=settings.ADMIN_DATABASE_URL, binaries=ensure_binaries()
    )
    standby.start()
    try:
        yield standby
    finally:
        standby.stop()
