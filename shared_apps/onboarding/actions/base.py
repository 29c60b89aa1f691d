"""What an action of `manage.py tenant` is."""

import json
import os
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.core.management.base import CommandParser

from shared_apps.core.references import Reference, Secrets

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


class ActionParser(CommandParser):
    """With `takes_rest`, what follows -- is left as it is and becomes the option `rest`."""

    takes_rest = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        rest: list[str] = []
        if self.takes_rest and args is not None and "--" in args:
            place = list(args).index("--")
            args, rest = list(args)[:place], list(args)[place + 1 :]
        found, unknown = super().parse_known_args(args, namespace)
        if self.takes_rest:
            found.rest = rest
        return found, unknown


def write_json(stdout: Output, value: Any) -> None:
    stdout.write(json.dumps(value, ensure_ascii=False))


def secrets_beside(path: Path, *, given: Mapping[Reference, str] | None = None) -> Secrets:
    """References are looked up in this process's environment and beside the file."""
    return Secrets(environment=os.environ, directory=path.resolve().parent, given=given)
