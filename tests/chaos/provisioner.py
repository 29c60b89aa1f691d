"""Applies a declaration and kills itself with SIGKILL at given points: run as a program by the tests.

Reads lines `FILE SLUG POINT`, forks a child for each, and answers with the child's exit code. A point is the name of a step (before it begins), `row:end` (after it, before that is recorded),
`statement:N` (before the N-th statement of the schema step), `commit:N` (before its N-th commit), `none` (nothing is killed), or `count` (nothing
is killed, and the exit code is the number of those statements).
Forking once Django is set up spares each point the start of an interpreter.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

statements = commits = 0
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            os._exit(apply(*line.split()))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def apply(file: str, slug: str, point: str) -> int:
    from django.core.management import CommandError, call_command

    from shared_apps.core import attribution, context

    arm(slug, point)
    try:
        with context.operator(), attribution.acting(attribution.command("tenant")):
            call_command("tenant", "apply", "-f", file, "--yes", "--jobs", "1", stderr=sys.stderr)
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.returncode
    return min(statements, 255) if point == "count" else 0


def arm(slug: str, point: str) -> None:
    from django.db import connections

    from shared_apps.onboarding.provisioning import steps
    from shared_apps.onboarding.provisioning.recording import Recorder

    original, begin = steps.carry_out, Recorder.begin

    def counted(execute: Callable[..., Any], *arguments: Any) -> Any:
        global statements
        statements += 1
        if point == f"statement:{statements}":
            die()
        return execute(*arguments)

    def carry_out(step: Any, work: Any) -> None:
        if work.spec.slug != slug:
            return original(step, work)
        if step.value == "schema":
            arm_commits(connections["migration"], point)
        with (
            connections["migration"].execute_wrapper(counted)
            if step.value == "schema"
            else nullcontext()
        ):
            original(step, work)
        if point == f"{step.value}:end":
            die()
        return None

    def begun(self: Any, step: Any) -> None:
        begin(self, step)
        if self.slug == slug and point == step.value:
            die()

    steps.carry_out = carry_out
    Recorder.begin = begun  # type: ignore[method-assign]


def arm_commits(connection: Any, point: str) -> None:
    """Connections belong to threads, so this is done in the one that works."""
    commit = connection._commit

    def counted() -> None:
        global commits
        commits += 1
        if point == f"commit:{commits}":
            die()
        commit()

    connection._commit = counted


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
