"""Run every check, and say at the end which failed."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import entry
from scripts.stack.environment import LOCAL_SETTINGS
from scripts.stack.errors import StackError
from scripts.stack.manage import serverless_environment
from scripts.stack.paths import PYTHON, ROOT, VENV

_PRODUCTION_SETTINGS = "config.settings.production"


@dataclass(frozen=True)
class Check:
    """A command that succeeds when all is well."""

    name: str
    command: Sequence[str]
    settings: str = LOCAL_SETTINGS


def _checks() -> list[Check]:
    scripts = _python_scripts()
    return [
        Check("format", [_tool("ruff"), "format", "--check", ".", *scripts]),
        Check("lint", [_tool("ruff"), "check", ".", *scripts]),
        Check("types", [_tool("mypy")]),
        Check("imports", [_tool("lint-imports")]),
        Check("migrations", [str(PYTHON), "manage.py", "makemigrations", "--check", "--dry-run"]),
        Check("openapi", [str(PYTHON), "manage.py", "openapi", "--check"]),
        Check("chart", [str(PYTHON), "-m", "scripts.stack.chart", "check"]),
        Check(
            "deploy",
            [str(PYTHON), "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            settings=_PRODUCTION_SETTINGS,
        ),
    ]


def main(names: Sequence[str]) -> int:
    """Run the named checks, or all; the number that failed becomes the exit code.

    Raises:
        StackError: there is no check of that name.
    """
    checks = _checks()
    known = [check.name for check in checks]
    for name in names:
        if name not in known:
            raise StackError(f"No check is called {name}; there are {', '.join(known)}")
    entry.prepare("local")
    chosen = [check for check in checks if not names or check.name in names]
    failed = [check.name for check in chosen if not _passes(check)]
    if failed:
        print(f"\n{len(failed)} of {len(chosen)} checks failed: {', '.join(failed)}")
    else:
        print(f"\nAll {len(chosen)} checks passed.")
    return len(failed)


def _passes(check: Check) -> bool:
    started = time.monotonic()
    result = subprocess.run(
        check.command,
        cwd=ROOT,
        env={**os.environ, **serverless_environment(settings=check.settings)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    passed = result.returncode == 0
    print(f"{'ok' if passed else 'FAILED':<7}{check.name:<12}{time.monotonic() - started:6.1f} s")
    if not passed:
        print(result.stdout)
    sys.stdout.flush()
    return passed


def _tool(name: str) -> str:
    return str(VENV / "bin" / name)


def _python_scripts() -> list[str]:
    """The entry scripts, which ruff does not find by their names."""
    found = []
    for path in sorted((ROOT / "scripts").iterdir()):
        if path.is_file() and _first_line(path).startswith(b"#!/usr/bin/env python3"):
            found.append(str(path.relative_to(ROOT)))
    return [*found, "ansible/bundle"]


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline()
