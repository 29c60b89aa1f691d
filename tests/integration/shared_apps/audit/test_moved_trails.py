"""Trails after dump and restore, under other time zones, and with a clock that was set back."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from psycopg import conninfo, sql

from scripts.stack.binaries import POSTGRES_MAJOR, ensure_binaries
from shared_apps.audit.anchors import comparing, keys
from shared_apps.audit.anchors.reading import Reader
from shared_apps.audit.chain import verifying
from tests.audit_chains import administrator, append
from tests.installation import Installation
from tests.integration.shared_apps.audit.old_trails import OldTrails, old_trails


@pytest.fixture
def trails(system: Installation, tmp_path: Path) -> Iterator[OldTrails]:
    with old_trails(tmp_path) as made:
        yield made


def _problems(trails: OldTrails, url: str) -> list[str]:
    tenants = [trails.chains.one, trails.chains.other]
    verdicts = verifying.verify(url=url, tenants=tenants, jobs=1)
    compared = comparing.compare(
        url=url,
        reader=Reader([trails.directory], keys.read_public_keys(trails.public)),
        tenants=tenants,
    )
    assert [verdict.entries >= 3 for verdict in verdicts] == [True, True]
    found = [problem for verdict in verdicts for problem in verdict.problems]
    found += [problem for some in compared.problems.values() for problem in some]
    return [*map(str, found), *compared.of_anchors]


@pytest.mark.parametrize("is_pruned", [False, True])
def test_dumped_and_restored_into_another_database(
    trails: OldTrails, tmp_path: Path, is_pruned: bool
) -> None:
    if is_pruned:
        trails.prune("--older-than", "5y")
    admin = settings.AUDIT_ADMIN_DATABASE_URL
    name = str(conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"])
    copy = f"{name}_copy"
    binaries, dump = ensure_binaries(), tmp_path / "dump"

    def program(name: str, *arguments: str) -> None:
        # Dumps tell times in the zone of whoever takes them.
        environment = {**os.environ, "PGTZ": "America/St_Johns"}
        subprocess.run([binaries.postgres(name), *arguments], check=True, env=environment)

    with psycopg.connect(admin, autocommit=True) as server:
        if server.info.server_version // 10000 != POSTGRES_MAJOR:
            pytest.skip("the programs at hand restore into a server of their own release")
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(copy)))
        try:
            program("pg_dump", "-Fc", "-f", str(dump), conninfo.make_conninfo(admin, dbname=name))
            program("pg_restore", "-d", conninfo.make_conninfo(admin, dbname=copy), str(dump))
            url = conninfo.make_conninfo(settings.AUDIT_AUDITOR_DATABASE_URL, dbname=copy)
            server.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                    sql.Identifier(copy),
                    sql.Identifier(str(conninfo.conninfo_to_dict(url)["user"])),
                )
            )
            assert _problems(trails, url) == []
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(copy)))


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "Europe/Berlin"])
def test_the_servers_time_zone_and_the_change_to_summer_time_do_not_matter(
    trails: OldTrails, zone: str
) -> None:
    with administrator() as admin:
        database = sql.Identifier(str(admin.info.dbname))
        admin.execute(sql.SQL("ALTER DATABASE {} SET timezone = {}").format(database, zone))
        try:
            # The hour that is there twice in Berlin, by the quarter.
            for quarter in range(8):
                moment = datetime(2025, 10, 26, 0, 15 * (quarter % 4), tzinfo=UTC)
                trails.append(moment + timedelta(hours=quarter // 4), 1)
            trails.anchor()

            assert _problems(trails, settings.AUDIT_AUDITOR_DATABASE_URL) == []
            assert trails.numbers(trails.chains.one) == list(range(1, 21))
        finally:
            admin.execute(sql.SQL("ALTER DATABASE {} RESET timezone").format(database))


def test_a_clock_that_was_set_back_an_hour(trails: OldTrails) -> None:
    """Entries and anchors of an earlier time follow those of a later one."""
    with psycopg.connect(settings.AUDIT_DATABASE_URL) as writer:
        for moment in (timedelta(), timedelta(hours=1)):
            for tenant in (trails.chains.one, trails.chains.other):
                append(
                    writer, tenant, first=datetime.now(UTC) - timedelta(days=2) - moment, count=1
                )
            trails.anchor(at=datetime.now(UTC) - moment)

    assert _problems(trails, settings.AUDIT_AUDITOR_DATABASE_URL) == []
