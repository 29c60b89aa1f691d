"""`tenant move`: to another node of a Citus cluster."""

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from shared_apps.onboarding import moving
from shared_apps.onboarding.actions.base import Action, Options, write_json


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("--to", required=True, metavar="NODE[:PORT]", help="as Citus knows it")
    parser.add_argument(
        "--mode",
        choices=moving.MODES,
        default=moving.MODES[0],
        help="block_writes (default): its writes wait; force_logical, auto: they go on, by replication",
    )
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="for the relay to take what waits in its outbox (30)",
    )
    parser.add_argument("--json", action="store_true")


def _move(options: Options, *, stdout: Any, stderr: Any) -> None:
    moved = moving.move_tenant(
        slug=options["slug"],
        to=options["to"],
        mode=options["mode"],
        wait=options["wait"],
        report=stderr.write,
    )
    if options["json"]:
        write_json(stdout, {**asdict(moved), "has_moved": moved.has_moved})
    elif moved.has_moved:
        rows = sum(moved.rows_after.values())
        stdout.write(f"{moved.slug}: on {moved.target}, {rows} rows, {moved.seconds:.1f} s")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return seconds


ACTIONS = (Action("move", "to another node of a Citus cluster", _move, _add_arguments),)
