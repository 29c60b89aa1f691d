"""Directories for trying the product by hand, as `scripts/quickstart --with-directories` starts them.

    python -m tests.directories.demonstration prepare
    python -m tests.directories.demonstration acme|globex DIRECTORY

The first says in one line what is missing here, and builds what can be built. The second runs a tenant's directory until it
is ended; each time that it is up it has the tenant sign in by it, and writes into DIRECTORY whom there is to sign in.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from scripts.stack.entry import one_line_errors
from scripts.stack.errors import StackError
from scripts.stack.paths import ROOT
from scripts.stack.private_files import write_json
from tests.directories import samba, slapd
from tests.directories.samba_people import PASSWORD, USERS_DN


@dataclass(frozen=True)
class Demonstration:
    backend: str
    options: Mapping[str, Any]
    bind_password: str
    groups: Mapping[str, str]
    """Role → the group that gives it."""
    people: Mapping[str, tuple[str, str]]
    """Name → password, role."""


@contextmanager
def _of_acme() -> Iterator[Demonstration]:
    with slapd.running(organisation="acme") as server:
        groups = f"ou=groups,{server.suffix}"
        roles = {"alice": "editor", "bob": "viewer", "carol": "viewer"}
        yield Demonstration(
            backend="openldap",
            options=server.options(),
            bind_password=server.bind_password,
            groups={"editor": f"cn=editors,{groups}", "viewer": f"cn=staff,{groups}"},
            people={name: (server.password(name), role) for name, role in roles.items()},
        )


@contextmanager
def _of_globex() -> Iterator[Demonstration]:
    with samba.running() as domain:
        yield Demonstration(
            backend="active_directory",
            options=domain.options,
            bind_password=domain.bind_password,
            groups={"editor": f"CN=engineers,{USERS_DN}", "viewer": f"CN=staff,{USERS_DN}"},
            people={"alice": (PASSWORD, "editor"), "ADEX\\bob": (PASSWORD, "viewer")},
        )


_TENANTS = {"acme": _of_acme, "globex": _of_globex}


def prepare() -> None:
    """Raises StackError: names what is missing, and how to get it."""
    if slapd.find_slapd() is None:
        raise StackError(slapd.MISSING)
    if reason := samba.unavailable(but_for_image=True):
        raise StackError(reason)
    try:
        samba.build()
    except subprocess.CalledProcessError as error:
        raise StackError("The image of Samba AD cannot be built; see above") from error


def run(slug: str, directory: Path) -> None:
    """Returns never: ended by a signal."""
    _end_on_signals()
    with _TENANTS[slug]() as shown:
        secret = directory / f"{slug}.bind_password"
        secret.touch(mode=0o600)
        secret.write_text(shown.bind_password)
        declared = {
            "backend": shown.backend,
            "options": {
                **shown.options,
                "role_groups": {role: [group] for role, group in shown.groups.items()},
            },
            "secrets": {"bind_password": {"file": str(secret)}},
            "break_glass": [f"admin@{slug}.example"],
        }
        write_json(directory / f"{slug}.auth.json", declared)
        subprocess.run(
            [sys.executable, "manage.py", "tenant", "auth", "set", slug,
             "-f", directory / f"{slug}.auth.json", "--json"],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        users = [
            {"username": name, "password": password, "role": role}
            for name, (password, role) in shown.people.items()
        ]
        described = {"backend": shown.backend, "url": shown.options["url"], "users": users}
        write_json(directory / f"{slug}.json", described)
        print(f"{slug} signs in by {shown.options['url']}", flush=True)
        signal.pause()


def _end_on_signals() -> None:
    def end(number: int, frame: FrameType | None) -> NoReturn:
        for another in (signal.SIGTERM, signal.SIGINT):
            signal.signal(another, signal.SIG_IGN)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


if __name__ == "__main__":
    with one_line_errors():
        match sys.argv[1:]:
            case ["prepare"]:
                prepare()
            case [slug, directory] if slug in _TENANTS:
                run(slug, Path(directory))
            case _:
                sys.exit(__doc__)
