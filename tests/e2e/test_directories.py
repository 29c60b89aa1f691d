"""The quickstart whose tenants sign in by directories, as somebody would try it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from scripts.stack.ports import free_port
from tests.directories import samba, slapd
from tests.e2e.quickstart import Quickstart
from tests.waiting import wait_until


@pytest.fixture
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quickstart]:
    slapd.require_slapd()
    samba.require_samba()
    with ExitStack() as clients:
        stack = Quickstart(tmp_path_factory.mktemp("state") / "local", free_port(), clients)
        yield stack
        stopped = stack.run("--stop")
        assert stopped.returncode == 0, stopped.stderr


def domains() -> set[str]:
    """Containers of Samba's that run; other processes may have theirs."""
    command = ["docker", "ps", "-q", "--no-trunc", "--filter", f"ancestor={samba.image()}"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_each_tenant_signs_in_by_its_own_directory(quickstart: Quickstart) -> None:
    before = domains()
    started = quickstart.run("--detach", "--with-directories")
    assert started.returncode == 0, started.stdout + started.stderr

    tenants = {tenant["slug"]: tenant for tenant in quickstart.summary["tenants"]}
    kinds = {slug: tenant["directory"]["backend"] for slug, tenant in tenants.items()}
    assert kinds == {"acme": "openldap", "globex": "active_directory"}
    answers = {
        (at, of): quickstart.visitor(at)
        .post("auth/login/", json=_credentials(tenants[of]))
        .status_code
        for at in tenants
        for of in tenants
    }
    assert answers == {
        ("acme", "acme"): 200, ("globex", "globex"): 200,
        ("acme", "globex"): 401, ("globex", "acme"): 401,
    }  # fmt: skip
    assert quickstart.person("acme", "admin").get("auth/user/").json()["roles"] == ["admin"]

    # Not even when nobody is left to clean up does a directory stay.
    (own,) = domains() - before
    os.kill(quickstart.supervisor, signal.SIGKILL)
    wait_until(lambda: own not in domains(), "its container is gone", timeout=60)
    wait_until(lambda: not quickstart.processes(), "its processes are gone", timeout=60)

    # Without them people sign in as ever.
    again = quickstart.run("--detach")
    assert again.returncode == 0, again.stdout + again.stderr
    assert quickstart.person("acme", "editor").get("auth/user/").json()["roles"] == ["editor"]


def _credentials(tenant: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    alice = next(user for user in tenant["users"] if user.get("username") == "alice")
    return {"username": alice["username"], "password": alice["password"]}
