"""The directories by which the quickstart's tenants sign in, when it is asked for them."""

import os
import subprocess
from collections.abc import Mapping
from typing import Any

from scripts.stack.errors import StackError
from scripts.stack.paths import PYTHON, ROOT
from scripts.stack.private_files import read_json, write_json
from scripts.stack.state import State
from scripts.stack.supervised import Program

TENANTS = ("acme", "globex")
READY_SECONDS = 180.0
_MODULE = "tests.directories.demonstration"
# Directories on this machine are refused otherwise.
ENVIRONMENT = {"AUTH_EGRESS_ALLOW": "127.0.0.0/8,::1/128"}


def prepare(state: State) -> None:
    """Have what they need, as far as it can be made.

    Raises:
        StackError: something is missing that only the machine's owner can install.
    """
    state.directories.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        [PYTHON, "-m", _MODULE, "prepare"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode != 0:
        reason = done.stderr.strip() or done.stdout.strip()
        raise StackError(f"--with-directories: {reason.splitlines()[-1]}", details=reason)


def programs(state: State, environment: Mapping[str, str]) -> list[Program]:
    """Each has its tenant sign in by it as soon as it is up, also when it was started again."""
    return [
        Program(
            f"directory-{slug}",
            [PYTHON, "-m", _MODULE, slug, state.directories],
            environment={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            directory=ROOT,
            logs=state.logs,
            ready_line=f"^{slug} signs in by",
            stop_seconds=20.0,
        )
        for slug in TENANTS
    ]


def described(state: State, slug: str) -> dict[str, Any] | None:
    """What a tenant's directory says of itself; None where the tenant has none."""
    found: dict[str, Any] | None = read_json(state.directories / f"{slug}.json")
    return found


def forget(state: State, environment: Mapping[str, str]) -> None:
    """Let tenants that had a directory the last time sign in by our own passwords again.

    Raises:
        StackError: that cannot be set.
    """
    for slug in TENANTS:
        if described(state, slug) is None:
            continue
        declared = state.directories / f"{slug}.auth.json"
        write_json(declared, {"backend": "database"})
        done = subprocess.run(
            [PYTHON, "manage.py", "tenant", "auth", "set", slug, "-f", declared, "--json"],
            env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise StackError(f"{slug} cannot leave its directory", details=done.stderr)
        (state.directories / f"{slug}.json").unlink()
