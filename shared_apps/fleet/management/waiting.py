"""`manage.py fleet wait`: before processes of a new release start, beside the run that migrates for them."""

import time
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from shared_apps.core.errors import explain
from shared_apps.fleet import readiness

_PAUSE: Final = 2.0
_SHOWN: Final = 5


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=int, default=3600, help="how long at most (3600)")


def wait(command: BaseCommand, options: dict[str, Any]) -> None:
    """Says what it waits for when that changes; a database that is not there yet is waited for too."""
    until = time.monotonic() + options["seconds"]
    said = ""
    while missing := _find_missing():
        if missing != said:
            command.stderr.write(f"waiting for {missing}")
            said = missing
        if time.monotonic() + _PAUSE > until:
            raise CommandError(
                f"After {options['seconds']} seconds this release still cannot serve {missing}:"
                " run `manage.py fleet migrate`, or see why it failed (`fleet status`)"
            )
        time.sleep(_PAUSE)
    command.stdout.write("this release can serve all tenants")


def _find_missing() -> str:
    try:
        unready = readiness.list_unready()
    except DatabaseError as error:
        # Before the first installation there is no such database, login or table.
        connections.close_all()
        return f"the database ({explain(error)})"
    more = f" and {len(unready) - _SHOWN} more" if len(unready) > _SHOWN else ""
    return ", ".join(unready[:_SHOWN]) + more
