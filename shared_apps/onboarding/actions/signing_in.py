"""`tenant auth`: where a tenant's people prove who they are."""

import getpass
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from shared_apps.authn import configuring, trying
from shared_apps.authn.configuring import Wanted
from shared_apps.core.sealing import SealBrokenError
from shared_apps.mail import configuring as mail
from shared_apps.onboarding import sign_in
from shared_apps.onboarding.actions.base import Action, Options, secrets_beside, write_json
from shared_apps.onboarding.actions.rendering import printable
from shared_apps.onboarding.declaration import reading
from shared_apps.onboarding.declaration.document import LARGEST_BYTES
from shared_apps.onboarding.declaration.problems import DeclarationRefusedError
from shared_apps.onboarding.declaration.specs import AuthSpec
from shared_apps.tenants import selectors
from shared_apps.tenants.models import Tenant


def _add_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="auth_action", required=True, metavar="ACTION")
    for name, help_text in (
        ("show", "what it is; never a secret"),
        ("set", "make it what a file declares"),
        ("test", "try the connection, step by step"),
        ("sign-in", "try somebody's credentials; opens no session"),
    ):
        own = actions.add_parser(name, help=help_text)
        own.add_argument("slug")
        own.add_argument("--json", action="store_true")
        if name != "show":
            own.add_argument(
                "-f",
                "--file",
                type=Path,
                required=name == "set",
                help="YAML or JSON with what stands under auth in tenants.yaml"
                + ("" if name == "set" else "; left out: what the tenant has"),
            )
        if name == "sign-in":
            own.add_argument(
                "--username", required=True, help="the password is read from standard input"
            )
    own = actions.add_parser(
        "rewrap", help="seal all secrets with the first of AUTH_ENCRYPTION_KEYS"
    )
    own.add_argument("--json", action="store_true")


def _run(options: Options, *, stdout: Any, stderr: Any) -> None:
    _ACTIONS[options["auth_action"]](options, stdout, stderr)


def _show(options: Options, stdout: Any, stderr: Any) -> None:
    tenant = selectors.get_tenant(slug=options["slug"])
    _write(sign_in.describe(tenant_id=tenant.id), options, stdout)


def _set(options: Options, stdout: Any, stderr: Any) -> None:
    tenant = selectors.get_tenant(slug=options["slug"])
    described = sign_in.change(
        tenant=tenant,
        spec=_read(tenant, options["file"], stderr),
        secrets=secrets_beside(options["file"]),
        at=timezone.now(),
    )
    _write(described, options, stdout)


def _test(options: Options, stdout: Any, stderr: Any) -> None:
    tenant = selectors.get_tenant(slug=options["slug"])
    wanted = _wanted(tenant, options, stderr)
    steps = []
    for step in trying.try_connection(tenant_id=tenant.id, wanted=wanted):
        steps.append(step)
        if not options["json"]:
            stdout.write(f"{'ok' if step.ok else 'FAILED':<7}{step.text}")
    if options["json"]:
        write_json(stdout, [asdict(step) for step in steps])
    if not all(step.ok for step in steps):
        raise CommandError("the backend cannot be used as it is")


def _sign_in(options: Options, stdout: Any, stderr: Any) -> None:
    tenant = selectors.get_tenant(slug=options["slug"])
    wanted = _wanted(tenant, options, stderr)
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    trial = trying.try_sign_in(
        tenant_id=tenant.id, username=options["username"], password=password, wanted=wanted
    )
    _write(asdict(trial), options, stdout)
    if not trial.is_proven:
        raise CommandError(f"not signed in: {trial.answer}")


def _rewrap(options: Options, stdout: Any, stderr: Any) -> None:
    try:
        done = configuring.rewrap_secrets() + mail.rewrap_passwords()
    except SealBrokenError as error:
        raise CommandError(f"{error}; the secrets before it are done") from error
    if options["json"]:
        write_json(stdout, {"rewrapped": done})
    else:
        stdout.write(f"{done} rewrapped; former keys are not needed any more")


_ACTIONS: dict[str, Callable[[Options, Any, Any], None]] = {
    "show": _show,
    "set": _set,
    "test": _test,
    "sign-in": _sign_in,
    "rewrap": _rewrap,
}


def _wanted(tenant: Tenant, options: Options, stderr: Any) -> Wanted | None:
    if options["file"] is None:
        return None
    spec = _read(tenant, options["file"], stderr)
    return sign_in.wanted(spec, secrets_beside(options["file"]))


def _read(tenant: Tenant, path: Path, stderr: Any) -> AuthSpec:
    """Every problem on a line of its own, with file and line."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
        return reading.read_auth(raw, admins=sign_in.admins_of(tenant))
    except OSError as error:
        raise reading.FileUnreadableError(f"{path} cannot be read: {error.strerror}") from None
    except DeclarationRefusedError as error:
        for found in error.problems:
            stderr.write(found.describe(str(path)))
        count = len(error.problems)
        raise CommandError(
            f"{count} {'error' if count == 1 else 'errors'} in {path}; nothing was changed"
        ) from error


def _write(value: dict[str, Any], options: Options, stdout: Any) -> None:
    if options["json"]:
        write_json(stdout, value)
        return
    for name, found in value.items():
        if isinstance(found, dict):
            for key, item in found.items():
                stdout.write(f"{name}.{key:<24} {printable(item)}")
        else:
            stdout.write(f"{name:<24} {printable(found)}")


ACTIONS = (Action("auth", "where a tenant's people prove who they are", _run, _add_arguments),)
