"""`manage.py audit prune`: the plan, the question, the removal."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.anchors.places import naming
from shared_apps.audit.anchors.reading import Reader
from shared_apps.audit.management import trails, verifying
from shared_apps.audit.retention import planning, pruning
from shared_apps.audit.retention.planning import Asked, Plan
from shared_apps.core.errors import AppError, explain
from shared_apps.core.progress import Progress
from shared_apps.core.required import SettingMissingError, required

_NEEDED = ("AUDIT_AUDITOR_DATABASE_URL", "AUDIT_RETENTION_DATABASE_URL")


def add_arguments(parser: ArgumentParser) -> None:
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--before", metavar="DATE", type=_date, help="entries from before that day")
    when.add_argument(
        "--older-than", metavar="7y", type=trails.interval,
        help="years, months or days; without it what `audit retention` says of each tenant",
    )  # fmt: skip
    parser.add_argument(
        "--tenant", action="append", metavar="SLUG|ID", help="this one alone; may be repeated"
    )
    parser.add_argument(
        "--anchors", action="append", metavar="PATH|s3://BUCKET/PREFIX",
        help="the anchors to prove it with (the directories and buckets of AUDIT_ANCHOR_PLACES)",
    )  # fmt: skip
    parser.add_argument("--public-key", metavar="FILE", type=Path, help="their JWK set")
    parser.add_argument("--plan", action="store_true", help="show what would go; change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--wait", type=float, default=60.0, metavar="SECONDS",
        help="for the relay, which must tell of it in the trail first (60)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if a trail that is old enough had to stay."""
    for name in _NEEDED:
        required(name)
    names = trails.known_names()
    try:
        plan = _plan(command, options, names)
        dropped: list[str] = []
        if not options["json"]:
            _tell(command, plan, names)
        if plan.steps and not options["plan"]:
            _confirm(options)
            dropped = _prune(command, plan, options)
    except AppError as error:
        raise CommandError(explain(error)) from error
    if options["json"]:
        command.stdout.write(
            json.dumps(
                {
                    "is_plan": options["plan"],
                    **asdict(plan),
                    "refused": _by_text(plan),
                    "dropped": dropped,
                },
                default=str,
            )
        )
    elif plan.steps and not options["plan"]:
        command.stdout.write(f"removed; {len(dropped)} months were dropped whole")
    if plan.refused:
        raise SystemExit(1)


def _plan(command: BaseCommand, options: dict[str, Any], names: Mapping[UUID, str]) -> Plan:
    sources = naming.sources(options["anchors"])
    tenants = options["tenant"] and [trails.id_of(text, names) for text in options["tenant"]]
    progress = Progress(command.stderr, unit="entries verified")
    plan = planning.plan(
        url=settings.AUDIT_AUDITOR_DATABASE_URL,
        reader=Reader(sources, verifying.public_keys(options["public_key"])),
        tenants=tenants,
        asked=Asked(options["before"], options["older_than"], datetime.now(UTC)),
        jobs=2,
        report=progress.advance,
    )
    progress.interrupt()
    return plan


def _prune(command: BaseCommand, plan: Plan, options: dict[str, Any]) -> list[str]:
    if settings.TENANT_DB_ALIAS not in settings.DATABASES:
        raise SettingMissingError.named("MIGRATION_DATABASE_URL")
    progress = Progress(command.stderr, unit="entries removed")
    dropped = pruning.prune(
        plan,
        auditor_url=settings.AUDIT_AUDITOR_DATABASE_URL,
        retention_url=settings.AUDIT_RETENTION_DATABASE_URL,
        wait=options["wait"],
        report=progress.advance,
    )
    progress.interrupt()
    return dropped


def _confirm(options: dict[str, Any]) -> None:
    if options["yes"]:
        return
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask at; give --yes. Nothing was changed")
    if input("This cannot be taken back. Type yes: ").strip() != "yes":
        raise CommandError("not confirmed; nothing was changed")


def _tell(command: BaseCommand, plan: Plan, names: Mapping[UUID, str]) -> None:
    for step in plan.steps:
        name = names.get(step.tenant_id, str(step.tenant_id))
        what = f"{step.pruned + 1}-{step.up_to}" if step.entries else "what was left the last time"
        command.stdout.write(
            f"{'remove':<8}{name:<42}{step.entries:>12} entries  {what}, from before {step.kept_from:%Y-%m-%d}"
        )
    for tenant_id, reason in plan.refused.items():
        command.stdout.write(f"{'keep':<8}{names.get(tenant_id, str(tenant_id)):<42}{reason}")
    if not plan.steps and not plan.refused:
        command.stdout.write("nothing is old enough")


def _by_text(plan: Plan) -> dict[str, str]:
    return {str(tenant_id): reason for tenant_id, reason in plan.refused.items()}


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ArgumentTypeError(f"a day as in 2020-12-31, not {text!r}") from None
