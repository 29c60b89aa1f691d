"""`tenant list`, `tenant show` and `tenant schema`: reading."""

import json
from argparse import ArgumentParser
from typing import Any

from shared_apps.core import context
from shared_apps.onboarding import describing
from shared_apps.onboarding.actions.base import Action, Options, write_json
from shared_apps.onboarding.declaration import reference, validation
from shared_apps.tenants import selectors, storage
from shared_apps.tenants.models import TaskOutcome, Tenant


def _add_list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def _list(options: Options, *, stdout: Any, stderr: Any) -> None:
    with context.operator():
        tenants = list(selectors.list_tenants())
    if options["json"]:
        write_json(stdout, [_described(tenant) for tenant in tenants])
        return
    for tenant in tenants:
        domains = " ".join(_described(tenant)["domains"])
        stdout.write(f"{tenant.slug:<40} {tenant.state:<12} {domains}")
    if not tenants:
        stdout.write("no tenants")


def _add_show_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("--json", action="store_true")


def _show(options: Options, *, stdout: Any, stderr: Any) -> None:
    show_tenant(selectors.get_tenant(slug=options["slug"]), options, stdout=stdout)


def show_tenant(tenant: Tenant, options: Options, *, stdout: Any) -> None:
    outcomes = [_outcome(found) for found in selectors.list_task_outcomes(tenant_id=tenant.id)]
    described = {**_described(tenant), "files_bytes": storage.used_bytes(tenant)}
    if options["json"]:
        write_json(stdout, {**described, "tasks": outcomes})
        return
    for name, value in described.items():
        stdout.write(f"{name:<16} {_text(value)}")
    for outcome in outcomes:
        stdout.write(f"{'task':<16} {' '.join(value or '-' for value in outcome.values())}")


def _outcome(outcome: TaskOutcome) -> dict[str, str]:
    return {
        "task": outcome.task,
        "state": outcome.state.lower(),
        "sent_at": outcome.sent_at.isoformat(),
        "finished_at": outcome.finished_at.isoformat() if outcome.finished_at else "",
        "error": outcome.error,
    }


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, dict):
        return " ".join(f"{name}={_text(item)}" for name, item in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _described(tenant: Tenant) -> dict[str, Any]:
    return {
        "slug": tenant.slug,
        "id": str(tenant.id),
        "name": tenant.name,
        "state": tenant.state.lower(),
        "reason": tenant.state_reason,
        "last_error": tenant.last_error,
        "delete_after": tenant.delete_after.isoformat() if tenant.delete_after else "",
        "domains": [domain.domain for domain in tenant.domains.all()],
        "schema": tenant.schema_name,
        "role": tenant.role_name,
        "limits": describing.declared_limits(tenant),
        "features": tenant.features,
        "created_at": tenant.created_at.isoformat(),
    }


def _add_schema_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="as a page for people")


def _schema(options: Options, *, stdout: Any, stderr: Any) -> None:
    if options["markdown"]:
        stdout.write(reference.as_markdown(), ending="")
    else:
        stdout.write(json.dumps(validation.schema(), indent=2, ensure_ascii=False))


ACTIONS = (
    Action("list", "all tenants", _list, _add_list_arguments),
    Action("show", "one tenant", _show, _add_show_arguments),
    Action("schema", "the JSON Schema of tenants.yaml", _schema, _add_schema_arguments),
)
