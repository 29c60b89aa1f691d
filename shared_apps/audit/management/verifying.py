"""`manage.py audit verify`: progress, and what was found, for people and for programs."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.chain import verifying
from shared_apps.audit.chain.verifying import Verdict
from shared_apps.audit.management.trails import id_of, known_names
from shared_apps.core.progress import Progress

_MOST_JOBS = 64
_SHOWN = 10  # problems of a tenant; --json has all that are remembered


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tenant", action="append", metavar="SLUG|ID", help="this one alone; may be repeated"
    )
    parser.add_argument("--jobs", type=_positive, default=2, help="processes at work (2)")
    parser.add_argument("--json", action="store_true")


def _positive(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _MOST_JOBS:
        raise ArgumentTypeError(f"a whole number from 1 to {_MOST_JOBS}, not {text!r}")
    return int(text)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if any chain is not whole."""
    if not (url := settings.AUDIT_AUDITOR_DATABASE_URL):
        raise CommandError(
            "AUDIT_AUDITOR_DATABASE_URL is not set (nor AUDIT_AUDITOR_DATABASE_URL_FILE)"
        )
    names = known_names()
    tenants = None if options["tenant"] is None else [id_of(t, names) for t in options["tenant"]]
    progress = Progress(command.stderr, unit="entries")
    verdicts = verifying.verify(
        url=url, tenants=tenants, jobs=options["jobs"], report=progress.advance
    )
    progress.interrupt()
    missing = set(tenants or []) - {verdict.tenant_id for verdict in verdicts}
    if options["json"]:
        described = [{"tenant": names.get(v.tenant_id, ""), **asdict(v)} for v in verdicts]
        command.stdout.write(
            json.dumps({"whole": _all_whole(verdicts), "chains": described}, default=str)
        )
    else:
        _tell(command, verdicts, names)
    if missing:
        raise CommandError(f"no trail of {', '.join(map(str, sorted(missing)))}")
    if not _all_whole(verdicts):
        raise SystemExit(1)


def _all_whole(verdicts: list[Verdict]) -> bool:
    return not any(verdict.problems for verdict in verdicts)


def _tell(command: BaseCommand, verdicts: list[Verdict], names: Mapping[UUID, str]) -> None:
    for verdict in verdicts:
        state = "BROKEN" if verdict.problems else "ok"
        name = names.get(verdict.tenant_id, str(verdict.tenant_id))
        command.stdout.write(
            f"{state:<8}{name:<42}{verdict.entries:>12} entries  {verdict.hash[:16]}"
        )
        for problem in verdict.problems[:_SHOWN]:
            detail = f": {problem.detail}" if problem.detail else ""
            command.stdout.write(f"        {problem.numbers} {problem.kind}{detail}")
        if len(verdict.problems) > _SHOWN or verdict.has_more:
            command.stdout.write("        and more; see --json")
    broken = sum(bool(verdict.problems) for verdict in verdicts)
    total = sum(verdict.entries for verdict in verdicts)
    command.stdout.write(
        f"{total} entries in {len(verdicts)} chains, {f'{broken} broken' if broken else 'all whole'}"
    )
