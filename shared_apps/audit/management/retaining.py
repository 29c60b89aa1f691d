"""`manage.py audit retention`: what trails are kept for, and which are held."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.management import trails
from shared_apps.audit.retention import rules
from shared_apps.core.required import required

_NEVER = "never"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--tenant", metavar="SLUG|ID")
    change = parser.add_mutually_exclusive_group()
    change.add_argument(
        "--keep", metavar="7y|never", type=_keep,
        help="how old its entries must be for `audit prune`; never: only what a prune asks for",
    )  # fmt: skip
    change.add_argument("--hold", metavar="REASON", help="nothing of it goes until it is released")
    change.add_argument("--release", action="store_true", help="no longer held")
    change.add_argument(
        "--minimum-age", metavar="90d", type=trails.interval,
        help="of all trails: nothing younger goes, whatever else is said",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Change one rule, or show them all."""
    for_one = options["keep"] or options["hold"] is not None or options["release"]
    if bool(options["tenant"]) != bool(for_one):
        raise CommandError("--tenant belongs to --keep, --hold or --release")
    if options["hold"] is not None and not options["hold"].strip():
        raise CommandError("--hold needs a reason")
    if for_one or options["minimum_age"]:
        _change(options)
    _show(command, options)


def _change(options: dict[str, Any]) -> None:
    url = settings.AUDIT_MIGRATION_DATABASE_URL
    if not url or settings.TENANT_DB_ALIAS not in settings.DATABASES:
        raise CommandError(
            "this needs AUDIT_MIGRATION_DATABASE_URL and MIGRATION_DATABASE_URL (or their _FILE)"
        )
    if options["minimum_age"]:
        rules.set_minimum_age(url=url, interval=options["minimum_age"])
        return
    tenant_id = trails.id_of(options["tenant"], trails.known_names())
    if options["keep"]:
        interval = None if options["keep"] == _NEVER else options["keep"]
        rules.set_keep(url=url, tenant_id=tenant_id, interval=interval)
    else:
        rules.set_hold(url=url, tenant_id=tenant_id, reason=options["hold"])


def _show(command: BaseCommand, options: dict[str, Any]) -> None:
    url = settings.AUDIT_MIGRATION_DATABASE_URL or required("AUDIT_AUDITOR_DATABASE_URL")
    minimum, listed = rules.list_rules(url=url)
    if options["json"]:
        described = [asdict(rule) for rule in listed]
        command.stdout.write(json.dumps({"minimum_age": minimum, "rules": described}, default=str))
        return
    names = trails.known_names()
    command.stdout.write(f"nothing younger than {minimum} goes")
    for rule in listed:
        name = names.get(rule.tenant_id, str(rule.tenant_id))
        hold = f"  held: {rule.hold}" if rule.hold else ""
        command.stdout.write(f"{name:<42}kept {rule.keep or 'until a prune asks'}{hold}")


def _keep(text: str) -> str:
    return text if text == _NEVER else trails.interval(text)
