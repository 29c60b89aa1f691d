"""scripts/chart-secrets, chart-images and chart-table, as an operator runs them."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from scripts.stack.chart import table
from scripts.stack.paths import ROOT
from tests.deploy.chart import rendering
from tests.deploy.chart.test_workloads import ADMINISTRATING

pytestmark = pytest.mark.quick_deploy
SERVERS = {
    "ADMIN_DATABASE_URL": "postgresql://postgres:p%40ss@pg:5432/postgres",
    "AUDIT_ADMIN_DATABASE_URL": "postgresql://postgres:x@apg:5433/postgres",
    "REDIS_URL": "rediss://:r@redis:6379/0",
}


def run(
    script: str, *arguments: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / script, *arguments],
        env={**os.environ, **(env or {})},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_secret_is_made_once_and_has_what_every_process_needs(tmp_path: Path) -> None:
    keep = tmp_path / "kept.json"

    first = run("chart-secrets", "--keep", keep, "--pooler", "freehold-pgbouncer", env=SERVERS)
    again = run("chart-secrets", "--keep", keep, "--pooler", "freehold-pgbouncer", env=SERVERS)

    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    assert keep.stat().st_mode & 0o777 == 0o600
    values = json.loads(first.stdout)["stringData"]
    assert set(values) >= ADMINISTRATING
    assert set(values) - ADMINISTRATING == {
        "CELERY_BROKER_URL", "AUDIT_ANCHOR_KEY", "METRICS_TOKEN", "POOLED_DATABASE_URL", "PGBOUNCER_USERLIST",
    }  # fmt: skip
    password = values["DATABASE_URL"].split(":")[2].partition("@")[0]
    assert values["DATABASE_URL"] == f"postgresql://freehold_app:{password}@pg:5432/freehold"
    assert values["POOLED_DATABASE_URL"] == (
        f"postgresql://freehold_app:{password}@freehold-pgbouncer:6432/freehold"
    )
    assert values["PGBOUNCER_USERLIST"] == f'"freehold_app" "{password}"\n'
    assert values["AUDIT_DATABASE_URL"].endswith("@apg:5433/freehold_audit")


def test_without_its_servers_nothing_is_made(tmp_path: Path) -> None:
    keep = tmp_path / "kept.json"

    refused = run(
        "chart-secrets", "--keep", keep, env={**SERVERS, "AUDIT_ADMIN_DATABASE_URL": "mysql://a"}
    )

    assert refused.returncode == 1
    assert refused.stderr == (
        "chart-secrets: AUDIT_ADMIN_DATABASE_URL is not set to a postgresql://… address;"
        " see docs/kubernetes.md\n"
    )
    assert not keep.exists()


def test_the_images_of_ones_own_values(tmp_path: Path) -> None:
    listed = run("chart-images", "-f", rendering.SETS["full"], "--set", "image.digest=")
    missing = run("chart-images", "-f", tmp_path / "none.yaml")

    assert listed.stdout.splitlines() == [
        "registry.example.com/ambassador:1",
        "registry.example.com/mirror/freehold:0.1.0",
        "registry.example.com/mirror/pgbouncer:1.24.1",
    ]
    assert (missing.returncode, missing.stderr) == (
        1,
        f"chart-images: There is no file {tmp_path / 'none.yaml'}\n",
    )


def test_the_table_says_what_is_so_and_the_docs_say_the_same() -> None:
    printed = run("chart-table").stdout

    for row in table.measured():
        assert (row.changed_lines, row.not_restricted, row.without_readiness) == (0, 0, 0)
        assert row.read_only == row.containers > 10
        assert (row.network_policy, row.schema) == ("egress closed", "strict")
    assert printed in (ROOT / "docs/compared.md").read_text()
    assert len(printed.splitlines()) == 2 + 2 + len(table.PUBLISHED)
