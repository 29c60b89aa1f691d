"""The part of `manage.py audit status` that says whether every change is recorded, and mends what is not."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from shared_apps.audit import coverage
from shared_apps.audit.coverage import Gap
from shared_apps.core.progress import Progress

_SHOWN = 20  # --json has all


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--repair",
        action="store_true",
        help="install triggers that are missing or were changed; needs MIGRATION_DATABASE_URL",
    )


def look(command: BaseCommand, options: dict[str, Any]) -> list[Gap]:
    """What is wrong; with --repair what is left of it."""
    gaps = coverage.find_gaps()
    if not gaps or not options["repair"]:
        return gaps
    progress = Progress(command.stderr, unit="schemas")
    for mended in coverage.repair(gaps, report=progress.advance):
        if mended.error:
            progress.interrupt()
            command.stderr.write(f"{mended.schema} was not repaired: {mended.error}")
    progress.interrupt()
    return coverage.find_gaps()


def as_json(gaps: list[Gap]) -> dict[str, Any]:
    return {
        "recorded": not gaps,
        "gaps": [{**asdict(gap), "remedy": gap.remedy} for gap in gaps],
    }


def tell(command: BaseCommand, gaps: list[Gap]) -> None:
    if not gaps:
        command.stdout.write("every change is recorded")
        return
    schemas = len({gap.schema for gap in gaps})
    command.stdout.write(f"CHANGES MAY GO UNRECORDED in {schemas} schemas:")
    for gap in gaps[:_SHOWN]:
        command.stdout.write(f"  {gap}")
    if len(gaps) > _SHOWN:
        command.stdout.write(f"  and {len(gaps) - _SHOWN} more; see --json")
    for remedy in dict.fromkeys(gap.remedy for gap in gaps):
        command.stdout.write(f"  → {remedy}")
