"""`tenant suspend`, `resume`, `archive` and `take-back`: whether a tenant is served."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from shared_apps.onboarding import services
from shared_apps.onboarding.actions.base import Action, Options, Run
from shared_apps.onboarding.actions.inspecting import show_tenant
from shared_apps.tenants.models import Tenant


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("--reason", required=True, help="read by people who are turned away")
    parser.add_argument("--json", action="store_true")


def _moving(service: Callable[..., Tenant]) -> Run:
    def run(options: Options, *, stdout: Any, stderr: Any) -> None:
        tenant = service(slug=options["slug"], reason=options["reason"], at=timezone.now())
        show_tenant(tenant, options, stdout=stdout)

    return run


ACTIONS = (
    Action(
        "suspend",
        "turn everybody away from the next request on",
        _moving(services.suspend_tenant),
        _add_arguments,
    ),
    Action(
        "resume", "serve a suspended tenant again", _moving(services.resume_tenant), _add_arguments
    ),
    Action(
        "archive",
        "stop serving a tenant and keep its data",
        _moving(services.archive_tenant),
        _add_arguments,
    ),
    Action(
        "take-back",
        "take a tenant out of the archive, also before it is deleted; `resume` serves it again",
        _moving(services.take_back_tenant),
        _add_arguments,
    ),
)
