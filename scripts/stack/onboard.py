"""Plan, confirm, apply, try the sign-in: one after the other, each by manage.py."""

import argparse
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import entry
from scripts.stack.errors import StackError
from scripts.stack.paths import PYTHON, ROOT
from scripts.stack.private_files import read_json
from scripts.stack.state import State


@dataclass(frozen=True)
class _Installation:
    python: Path
    environment: Mapping[str, str]
    url: str | None
    """Where it answers; None when nobody said so."""

    def manage(self, *arguments: str) -> int:
        command = [str(self.python), "manage.py", "tenant", *arguments]
        return subprocess.run(command, cwd=ROOT, env=dict(self.environment), check=False).returncode


def main(arguments: Sequence[str], *, description: str) -> int:
    """The exit code of the first command that fails, or 0.

    Raises:
        StackError: there is no installation to work on, or no such file.
    """
    options = _parse(arguments, description)
    file = Path(options.spec).resolve()
    if not file.is_file():
        raise StackError(f"There is no file {options.spec}")
    installation = _find_installation(options.url)
    asked = ["--yes"] if options.yes else []
    code = installation.manage("apply", "-f", str(file), "--jobs", str(options.jobs), *asked)
    if installation.url is None:
        print("The sign-in was not tried: --url did not say where the installation answers.")
        return code
    print()
    # Also after a failure: the table says which tenants can be used.
    checked = installation.manage("check-sign-in", "-f", str(file), "--url", installation.url)
    return code or checked


def _parse(arguments: Sequence[str], description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/onboard",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("spec", metavar="SPEC.yaml")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--jobs", type=int, default=2, help="tenants at a time (2)")
    parser.add_argument("--url", help="where the installation answers")
    return parser.parse_args(arguments)


def _find_installation(url: str | None) -> _Installation:
    state = State.from_environment()
    stored = state.environment()
    if state.running_process() is not None and stored is not None:
        base = url or str(read_json(state.summary)["base_url"])
        return _Installation(PYTHON, {**os.environ, **stored}, base)
    if any(os.environ.get(name) for name in ("DATABASE_URL", "DATABASE_URL_FILE")):
        return _Installation(entry.prepare("base"), os.environ, url)
    raise StackError(
        f"No quickstart runs in {state.path}, and DATABASE_URL names no installation;"
        " start one with scripts/quickstart --detach"
    )
