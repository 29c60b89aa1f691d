"""`manage.py audit check-export`: a file is judged by itself, without any database."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.errors import ExportError
from shared_apps.audit.exports import checking

_SHOWN = 10  # problems; --json has all that are remembered


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="HASH",
        help="an entry must have this hash, known from an anchor or from `audit verify`",
    )
    parser.add_argument("--json", action="store_true")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if anything is wrong with it."""
    try:
        outcome = checking.check(options["file"], expected=options["expect"])
    except ExportError as error:
        raise CommandError(error.text) from error
    chains = list(outcome.chains.values())
    is_complete = bool(outcome.manifest and outcome.manifest["complete"])
    if options["json"]:
        said = {
            "proven": not outcome.problems,
            "complete": is_complete,
            "chains": [asdict(chain) for chain in chains],
            "problems": [asdict(problem) for problem in outcome.problems],
        }
        command.stdout.write(json.dumps(said))
    else:
        for chain in chains:
            kind = "a whole stretch" if chain.is_whole else "a selection"
            command.stdout.write(
                f"{chain.tenant_id}: {chain.entries} entries, {chain.first_sequence} to"
                f" {chain.last_sequence}, {kind}\n    last hash {chain.hash}"
            )
        for problem in outcome.problems[:_SHOWN]:
            where = f"line {problem.line}: " if problem.line else ""
            command.stdout.write(f"BROKEN  {where}{problem.what}")
        if len(outcome.problems) > _SHOWN or outcome.has_more:
            command.stdout.write("        and more; see --json")
        if not outcome.problems:
            rest = "" if is_complete else "; it ended early, the rest is fetched with --after"
            command.stdout.write(f"ok      unaltered since the export{rest}")
    if outcome.problems:
        raise SystemExit(1)
