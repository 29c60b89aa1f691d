"""What an action of `manage.py tenant` is."""

import json
import os
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shared_apps.onboarding.declaration.references import Reference, Secrets

Options = dict[str, Any]


class Output(Protocol):
    """Django's wrapper of a stream."""

    def write(self, msg: str = "", style_func: Any = None, ending: str | None = None) -> None: ...
    def isatty(self) -> bool: ...
    def flush(self) -> None: ...


class Run(Protocol):
    def __call__(self, options: Options, *, stdout: Any, stderr: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    help: str
    run: Run
    add_arguments: Callable[[ArgumentParser], None] = lambda parser: None


def write_json(stdout: Output, value: Any) -> None:
    stdout.write(json.dumps(value, ensure_ascii=False))


def secrets_beside(path: Path, *, given: Mapping[Reference, str] | None = None) -> Secrets:
    """References are looked up in this process's environment and beside the file."""
    return Secrets(environment=os.environ, directory=path.resolve().parent, given=given)
