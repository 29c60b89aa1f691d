"""What `fleet migrate`, `migrate` and `migrate_schemas` have in common."""

import json
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shared_apps.core.errors import AppError
from shared_apps.core.progress import Progress
from shared_apps.fleet import services
from shared_apps.fleet.choices import RunState
from shared_apps.fleet.running import Options, Summary
from shared_apps.fleet.tenant_run import Limits, Result

STOPPED = 130
"""The exit code after SIGTERM or Ctrl-C: what was in hand is finished, the rest not begun."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--jobs", type=_count, default=4, help="connections at work (4)")
    parser.add_argument(
        "--canary", type=_natural, default=1, help="tenants that go first, alone (1)"
    )
    parser.add_argument(
        "--max-failures",
        type=_natural,
        default=10,
        help="failed tenants after which no further one is started (10)",
    )
    parser.add_argument("--only", metavar="SLUG", help="this tenant alone")
    parser.add_argument(
        "--lock-timeout", type=_count, default=2000, metavar="MS", help="wait for a lock (2000)"
    )
    parser.add_argument(
        "--statement-timeout", type=_count, default=600_000, metavar="MS", help="(600000)"
    )
    parser.add_argument(
        "--allow-breaking",
        action="store_true",
        help="also run migrations that would break the version that is running",
    )
    parser.add_argument("--json", action="store_true")


def migrate(command: BaseCommand, options: dict[str, Any]) -> None:
    """The shared schema, then the tenants; raises CommandError unless all of them are done."""
    progress = Progress(command.stderr, unit="tenants")

    def on_result(result: Result, done: int, total: int) -> None:
        if result.error:
            progress.interrupt()
            command.stderr.write(f"{result.slug}: {result.error}")
        if options["verbosity"]:
            progress.advance(done, total, is_failure=bool(result.error))

    try:
        services.migrate_shared(
            verbosity=0 if options["json"] else options["verbosity"],
            allow_breaking=options["allow_breaking"],
        )
        with _stopping() as stop:
            summary = services.migrate_fleet(
                _options(options),
                allow_breaking=options["allow_breaking"],
                on_result=on_result,
                stop=stop,
            )
    except AppError as error:
        raise CommandError(_with_details(error)) from error
    if options["json"]:
        command.stdout.write(json.dumps(_described(summary)))
    elif options["verbosity"]:
        command.stdout.write(_in_words(summary))
    _require_done(summary)


def _options(options: dict[str, Any]) -> Options:
    return Options(
        jobs=options["jobs"],
        canary=options["canary"],
        max_failures=options["max_failures"],
        only=options["only"],
        limits=Limits(
            lock_timeout_ms=options["lock_timeout"],
            statement_timeout_ms=options["statement_timeout"],
        ),
    )


def _require_done(summary: Summary) -> None:
    if summary.failed:
        slugs = ", ".join(sorted(result.slug for result in summary.failed))
        note = f"; {summary.note}" if summary.note else ""
        raise CommandError(
            f"{len(summary.failed)} of {summary.planned} tenants failed: {slugs}{note}"
        )
    if summary.state == RunState.STOPPED:
        left = summary.planned - len(summary.results)
        raise CommandError(f"stopped; {left} tenants are left for the next run", returncode=STOPPED)


def _in_words(summary: Summary) -> str:
    if not summary.planned:
        return "tenants: nothing to do"
    done = len(summary.results) - len(summary.failed)
    return f"tenants: {done} of {summary.planned} migrated"


def _described(summary: Summary) -> dict[str, Any]:
    return {
        "run": str(summary.run_id) if summary.run_id else None,
        "state": summary.state.lower(),
        "note": summary.note,
        "planned": summary.planned,
        "tenants": [
            {
                "slug": result.slug,
                "state": result.state.lower(),
                "applied": list(result.applied),
                "error": result.error,
                "duration_ms": int(result.seconds * 1000),
            }
            for result in summary.results
        ],
    }


def _with_details(error: AppError) -> str:
    details = "; ".join(f"{name}: {value}" for name, value in error.details.items())
    return error.text + (f" ({details})" if details else "")


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by SIGTERM and Ctrl-C; the second Ctrl-C interrupts as ever."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, kept[signal.SIGINT])

    for number in kept:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _natural(text: str) -> int:
    if not text.isdigit():
        raise ValueError(text)
    return int(text)


def _count(text: str) -> int:
    if _natural(text) < 1:
        raise ValueError(text)
    return int(text)
