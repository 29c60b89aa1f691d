"""`tenant create` and `tenant repair`."""

import getpass
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from shared_apps.core.references import Reference
from shared_apps.onboarding import services
from shared_apps.onboarding.actions import given
from shared_apps.onboarding.actions.base import Action, Options, secrets_beside
from shared_apps.onboarding.actions.inspecting import show_tenant
from shared_apps.onboarding.declaration.problems import DeclarationRefusedError
from shared_apps.onboarding.declaration.reading import read_tenant
from shared_apps.onboarding.declaration.specs import ADMIN_PASSWORD
from shared_apps.onboarding.planning import PROVISIONED, make_plan
from shared_apps.onboarding.provisioning.applying import check_secrets
from shared_apps.tenants import selectors
from shared_apps.tenants.errors import TenantExistsError

_PASSWORD = Reference(env="ADMIN_PASSWORD")


def _add_create_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("--name", required=True)
    parser.add_argument(
        "--domain", required=True, action="append", help="may be repeated; the first is primary"
    )
    parser.add_argument("--admin-email", required=True)
    given.add_arguments(parser)
    parser.add_argument(
        "--admin-password-stdin",
        action="store_true",
        help="read the first administrator's password from standard input",
    )
    parser.add_argument("--json", action="store_true")


def _create(options: Options, *, stdout: Any, stderr: Any) -> None:
    """A declaration of one tenant, from the command line."""
    declared: dict[str, Any] = {
        "slug": options["slug"],
        "name": options["name"],
        "domains": options["domain"],
        "admins": [options["admin_email"]],
    }
    passwords: dict[Reference, str] = {}
    try:
        declared["auth"] = given.auth(options)
        if options["admin_password_stdin"]:
            given.require_once(ADMIN_PASSWORD, declared["auth"]["secrets"])
            passwords[_PASSWORD] = (
                getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
            )
            declared["auth"]["secrets"][ADMIN_PASSWORD] = _PASSWORD.as_declared
        secrets = secrets_beside(Path("-"), given=passwords)
        plan = make_plan(read_tenant(declared, is_remote=False), is_whole=False)
        if not plan.changes or plan.changes[0].action not in PROVISIONED:
            raise TenantExistsError(slug=options["slug"])
        check_secrets(plan, secrets)
    except DeclarationRefusedError as error:
        said = "; ".join(f"{found.field}: {found.text}" for found in error.problems)
        raise CommandError(f"{said}; nothing was changed") from error
    spec = plan.declaration.tenants[0]
    services.provision_now(spec=spec, secrets=secrets, clock=timezone.now)
    show_tenant(selectors.get_tenant(slug=spec.slug), options, stdout=stdout)


def _add_repair_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("--json", action="store_true")


def _repair(options: Options, *, stdout: Any, stderr: Any) -> None:
    show_tenant(services.repair_tenant(slug=options["slug"]), options, stdout=stdout)


ACTIONS = (
    Action(
        "create", "set a tenant up, or complete one that failed", _create, _add_create_arguments
    ),
    Action(
        "repair",
        "make a tenant's role, rights and tables as they should be",
        _repair,
        _add_repair_arguments,
    ),
)
