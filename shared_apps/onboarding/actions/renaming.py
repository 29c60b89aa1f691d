"""`tenant rename` and `tenant clone`."""

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from shared_apps.onboarding import services
from shared_apps.onboarding.actions.base import Action, Options
from shared_apps.onboarding.actions.inspecting import show_tenant


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("new")
    parser.add_argument(
        "--domain",
        action="append",
        default=[],
        help="the first is primary; else SLUG.… becomes NEW.…",
    )
    parser.add_argument("--json", action="store_true")


def _rename(options: Options, *, stdout: Any, stderr: Any) -> None:
    tenant = services.rename_tenant(
        slug=options["slug"], to=options["new"], domains=tuple(options["domain"])
    )
    show_tenant(tenant, options, stdout=stdout)


def _clone(options: Options, *, stdout: Any, stderr: Any) -> None:
    tenant = services.clone_tenant(
        slug=options["slug"],
        to=options["new"],
        domains=tuple(options["domain"]),
        at=timezone.now(),
        report=stderr.write,
    )
    show_tenant(tenant, options, stdout=stdout)


ACTIONS = (
    Action("rename", "give a tenant another slug and other hosts", _rename, _add_arguments),
    Action("clone", "make a second tenant with the same data", _clone, _add_arguments),
)
