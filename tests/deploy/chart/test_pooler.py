"""PgBouncer as the chart sets it up, with the real program. What keeps tenants apart behind it: tests/isolation."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from scripts.stack.paths import PYTHON, ROOT
from scripts.stack.pgbouncer import PgBouncer, Upstream, find_pgbouncer
from tests.deploy.chart import rendering
from tests.installation import Installation


class ShippedPgBouncer(PgBouncer):
    """Reads the chart's file; only where it listens and finds its users is this machine's."""

    def _settings(self) -> str:
        (upstream,) = self._upstreams
        database = urlsplit(os.environ["DATABASE_URL"]).path.lstrip("/")
        own = (
            ("pgbouncer.host", upstream.host),
            ("pgbouncer.port", upstream.port),
            ("pgbouncer.database", database),
            ("pgbouncer.poolSize", "2"),
        )
        settings = [part for name, value in own for part in ("--set", f"{name}={value}")]
        maps = rendering.of_kind("pgbouncer", "ConfigMap", *settings)
        text: str = maps["freehold-pgbouncer"]["data"]["pgbouncer.ini"]
        for name, value in (
            ("listen_addr", "127.0.0.1"),
            ("listen_port", str(self.port)),
            ("auth_file", str(self._users)),
        ):
            text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
            assert count == 1, name
        return text


@pytest.fixture
def pooled_url(installation: Installation, tmp_path: Path) -> Iterator[str]:
    if find_pgbouncer() is None and not os.environ.get("FREEHOLD_REQUIRE_PGBOUNCER"):
        pytest.skip("PgBouncer is not installed")
    direct = os.environ["DATABASE_URL"]
    pooler = ShippedPgBouncer(
        tmp_path / "pgbouncer", upstreams=(Upstream.of_url(direct),), pool_mode="transaction"
    )
    pooler.start()
    try:
        parts = urlsplit(direct)
        login = parts.netloc.rpartition("@")[0]
        yield urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{pooler.port}"))
    finally:
        pooler.stop()


def _check(url: str, *, mode: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "manage.py", "check", "--database", "default"],
        env={**os.environ, "DATABASE_URL": url, "DATABASE_POOL_MODE": mode},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_product_takes_it_in_the_mode_that_the_chart_tells_and_in_no_other(
    pooled_url: str,
) -> None:
    told = rendering.variables(rendering.pods("pgbouncer")["web"], "web")["DATABASE_POOL_MODE"]

    right = _check(pooled_url, mode=told)
    wrong = _check(pooled_url, mode="session")

    assert (told, right.returncode) == ("transaction", 0), right.stderr
    assert wrong.returncode == 1
    assert "a pooler in transaction mode" in wrong.stderr
