"""`tenant undo-failed`: remove a tenant that was never served."""

from argparse import ArgumentParser
from typing import Any

from shared_apps.onboarding.actions.base import Action, Options
from shared_apps.onboarding.provisioning.undo import undo_failed


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("slug")


def _undo(options: Options, *, stdout: Any, stderr: Any) -> None:
    undo_failed(slug=options["slug"])
    stdout.write(f"{options['slug']}: removed")


ACTIONS = (
    Action("undo-failed", "remove a tenant whose provisioning failed", _undo, _add_arguments),
)
