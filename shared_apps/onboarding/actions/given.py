"""What stands under `auth` in tenants.yaml, given by options of a command."""

import json
from argparse import ArgumentParser
from collections.abc import Container, Iterable
from typing import Any, NoReturn

from shared_apps.onboarding.actions.base import Options
from shared_apps.onboarding.declaration.problems import DeclarationError, Problem

_NOT_TWICE = 'is given twice; write a list as JSON: ["…", "…"]'
_REFERENCE = "must be env:NAME or file:PATH; a secret is never written down here"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--auth", default="database", metavar="BACKEND", help="where people prove who they are"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the backend; may be repeated; a value that is JSON is taken as such",
    )
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME=env:VARIABLE|NAME=file:PATH",
        help="of the backend; may be repeated",
    )
    parser.add_argument(
        "--break-glass",
        action="append",
        default=[],
        metavar="EMAIL",
        help="an administrator who signs in by a password kept here, also while the directory is down",
    )


def auth(options: Options) -> dict[str, Any]:
    """As it would be declared; whether it can be is for the declaration's rules.

    Raises:
        DeclarationError: an argument is not of the form asked for. It is not repeated.
    """
    told: dict[str, Any] = {}
    for key, text in _pairs(options["option"], "options"):
        require_once(key, told, part="options")
        told[key] = _value(key, text)
    secrets: dict[str, Any] = {}
    for name, text in _pairs(options["secret"], "secrets"):
        require_once(name, secrets)
        kind, _, place = text.partition(":")
        if kind not in ("env", "file") or not place:
            _refuse("secrets", name, text=_REFERENCE)
        secrets[name] = {kind: place}
    found: dict[str, Any] = {"backend": options["auth"], "options": told, "secrets": secrets}
    return found | ({"break_glass": options["break_glass"]} if options["break_glass"] else {})


def require_once(name: str, given: Container[str], *, part: str = "secrets") -> None:
    """Raises DeclarationError."""
    if name in given:
        _refuse(part, name, text="is given twice" if part == "secrets" else _NOT_TWICE)


def _pairs(arguments: Iterable[str], part: str) -> Iterable[tuple[str, str]]:
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not (equals and key.strip()):
            _refuse(part, text="each is NAME=VALUE")
        yield key.strip(), text


def _value(key: str, text: str) -> Any:
    """What is no JSON is text, as a DN or a filter is."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                _refuse("options", key, name, text="is given twice")
            found[name] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return text


def _refuse(*path: str, text: str) -> NoReturn:
    raise DeclarationError([Problem(("auth", *path), None, text)])
