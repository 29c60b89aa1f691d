"""`manage.py fleet spares`: what is in the pool, and filling it by hand."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from shared_apps.fleet import services
from shared_apps.fleet.spares import pool
from shared_apps.fleet.spares.filling import Progress
from shared_apps.fleet.spares.pool import Pool

_MOST = 1000


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--target",
        type=_target,
        metavar="N",
        help="make or drop spares until there are N; without it they are only shown",
    )
    parser.add_argument("--json", action="store_true")


def show_or_fill(command: BaseCommand, options: dict[str, Any]) -> None:
    target = options["target"]

    def report(progress: Progress) -> None:
        what = f"made {progress.made}" if progress.made else f"dropped {progress.dropped}"
        command.stderr.write(f"{what}, {progress.left} to go")

    if target is None:
        found = pool.look()
    else:
        found = services.fill_spares(target=target, drops_surplus=True, on_step=report)
    if options["json"]:
        command.stdout.write(json.dumps(_described(found), default=str))
        return
    for spare in found.useless:
        command.stdout.write(
            f"{spare.schema}: {spare.problem}; it is dropped when the pool is filled"
        )
    command.stdout.write(
        f"{len(found.ready)} spare schemas are ready; SPARE_SCHEMAS is {settings.SPARE_SCHEMAS}"
    )


def _described(found: Pool) -> dict[str, Any]:
    return {
        "ready": len(found.ready),
        "target": settings.SPARE_SCHEMAS,
        "spares": [asdict(spare) for spare in found.spares],
    }


def _target(text: str) -> int:
    if not text.isdigit() or int(text) > _MOST:
        raise ArgumentTypeError(f"a whole number from 0 to {_MOST}, not {text!r}")
    return int(text)
