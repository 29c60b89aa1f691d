"""`tenant plan` and `tenant apply`: what a file declares, compared and carried out."""

import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from shared_apps.onboarding.actions import rendering
from shared_apps.onboarding.actions.base import Action, Options, secrets_beside, write_json
from shared_apps.onboarding.actions.progress import Progress
from shared_apps.onboarding.declaration.problems import DeclarationRefusedError
from shared_apps.onboarding.declaration.reading import read_file
from shared_apps.onboarding.planning import Action as Planned
from shared_apps.onboarding.planning import Plan, make_plan
from shared_apps.onboarding.provisioning import applying
from shared_apps.onboarding.provisioning.applying import Result

_DIFFERENT = 2
_MOST_JOBS = 32


def _add_plan_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--file", required=True, type=Path, help="tenants.yaml")
    parser.add_argument(
        "--prune", action="store_true", help="also archive tenants that the file does not name"
    )
    parser.add_argument("--json", action="store_true")


def _add_detailed(parser: ArgumentParser) -> None:
    _add_plan_arguments(parser)
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="exit with 2 when there are changes"
    )


def _add_apply_arguments(parser: ArgumentParser) -> None:
    _add_plan_arguments(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--confirm-prune",
        type=int,
        metavar="COUNT",
        help="how many tenants --prune may archive, when nobody can be asked",
    )
    parser.add_argument("--jobs", type=int, default=2, help="tenants at a time (2)")
    parser.add_argument(
        "--undo-failed",
        action="store_true",
        help="remove new tenants that fail instead of leaving them for the next apply",
    )


def _plan(options: Options, *, stdout: Any, stderr: Any) -> None:
    with _problems_shown(options, stdout=stdout, stderr=stderr):
        secrets = secrets_beside(options["file"])
        plan = make_plan(read_file(options["file"]), prune=options["prune"], secrets=secrets)
    if options["json"]:
        write_json(stdout, rendering.plan_as_json(plan))
    else:
        stdout.write("\n".join(rendering.plan_lines(plan)))
    if plan.changes and options["detailed_exitcode"]:
        sys.exit(_DIFFERENT)


def _apply(options: Options, *, stdout: Any, stderr: Any) -> None:
    if not 1 <= options["jobs"] <= _MOST_JOBS:
        raise CommandError(f"--jobs is from 1 to {_MOST_JOBS}")
    # With --json the result alone is on standard output.
    talk = stderr if options["json"] else stdout
    secrets = secrets_beside(options["file"])
    with _problems_shown(options, stdout=stdout, stderr=stderr):
        declaration = read_file(options["file"])
        with applying.exclusive(clock=timezone.now):
            plan = make_plan(declaration, prune=options["prune"], secrets=secrets)
            applying.check_secrets(plan, secrets)
            talk.write("\n".join(rendering.plan_lines(plan)))
            if not plan.changes:
                result = None
            else:
                _confirm(plan, options)
                result = _carry_out(plan, secrets, options, talk)
    if options["json"]:
        write_json(stdout, rendering.result_as_json(plan, result))
    if result is not None:
        _conclude(plan, result, talk)


def _carry_out(plan: Plan, secrets: Any, options: Options, talk: Any) -> Result:
    progress = Progress(talk, total=len(plan.changes))
    with _stopped_in_order():
        return applying.apply_plan(
            plan,
            options=applying.Options(
                secrets=secrets,
                clock=timezone.now,
                jobs=options["jobs"],
                undoes_failed=options["undo_failed"],
            ),
            report=progress.show,
        )


def _conclude(plan: Plan, result: Result, talk: Any) -> None:
    talk.write(rendering.summary_line(plan, result))
    if result.failed:
        names = ", ".join(outcome.slug for outcome in result.failed)
        raise CommandError(f"failed: {names}; apply again to complete them")


def _confirm(plan: Plan, options: Options) -> None:
    """Raises CommandError: it was not confirmed; nothing was changed."""
    archived = sum(change.action == Planned.ARCHIVE for change in plan.changes)
    can_ask = sys.stdin.isatty()
    if archived and not _prune_is_confirmed(archived, options, can_ask=can_ask):
        raise CommandError("not confirmed; nothing was changed")
    if options["yes"]:
        return
    if not can_ask:
        raise CommandError("there is no terminal to ask at; give --yes. Nothing was changed")
    if input("Apply? Type yes: ").strip() != "yes":
        raise CommandError("not confirmed; nothing was changed")


def _prune_is_confirmed(archived: int, options: Options, *, can_ask: bool) -> bool:
    """A confirmation of its own: what is archived is no longer served."""
    if options["confirm_prune"] is not None:
        if options["confirm_prune"] == archived:
            return True
        raise CommandError(
            f"--confirm-prune says {options['confirm_prune']}, and {archived} tenants would be"
            " archived; nothing was changed"
        )
    if not can_ask:
        raise CommandError(
            f"{archived} tenants would be archived: look at the plan, then give"
            f" --confirm-prune {archived}. Nothing was changed"
        )
    return input(f"{archived} tenants are archived. Type prune {archived}: ") == f"prune {archived}"


@contextmanager
def _problems_shown(options: Options, *, stdout: Any, stderr: Any) -> Iterator[None]:
    """Every problem on a line of its own, with file and line; nothing was changed."""
    try:
        yield
    except DeclarationRefusedError as error:
        file = str(options["file"])
        if options["json"]:
            problems = [
                {"file": file, "line": found.line, "field": found.field, "error": found.text}
                for found in error.problems
            ]
            write_json(stdout, {"errors": problems})
        for found in error.problems:
            stderr.write(found.describe(file))
        count = len(error.problems)
        raise CommandError(
            f"{count} {'error' if count == 1 else 'errors'} in {file}; nothing was changed"
        ) from error


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """SIGTERM like Ctrl-C: the tenants in hand are finished."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if is_main else None
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError("stopped; apply again to do the rest", returncode=130) from None
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)


ACTIONS = (
    Action("plan", "what apply would change", _plan, _add_detailed),
    Action("apply", "make the tenants what a file declares", _apply, _add_apply_arguments),
)
