"""What `manage.py erase-person` asks, shows and writes."""

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils import timezone

from shared_apps.accounts import erasure as accounts
from shared_apps.accounts.errors import LastOperatorError, TenantOrphanedError
from shared_apps.core.emails import canonical_email
from shared_apps.core.errors import AppError, explain
from shared_apps.onboarding.erasing.erasing import Allowed, erase_person, plan_erasure
from shared_apps.onboarding.erasing.reports import Report, State

_MEANT: dict[type[AppError], str] = {
    TenantOrphanedError: " If it is meant: --allow-orphaned SLUG for each.",
    LastOperatorError: " If it is meant: --allow-last-operator.",
}


class Command(BaseCommand):
    help = (
        "Erase one person from the whole installation: account, roles, sign-ins, and what every tenant "
        "holds of them. Shows first what that is. Run it where `manage.py tenant` runs "
        "(docs/how-to/erase-a-person.md)."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--plan", action="store_true", help="show what would be done, and end")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--allow-orphaned",
            action="append",
            default=[],
            metavar="SLUG",
            help="a tenant that may lose its last administrator; may be repeated",
        )
        parser.add_argument(
            "--allow-last-operator",
            action="store_true",
            help="though nobody else operates the installation",
        )
        parser.add_argument("--json", action="store_true")
        parser.add_argument(
            "--report", type=Path, metavar="FILE", help="write the report into a new file as well"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path | None = options["report"]
        if path is not None and (path.exists() or not path.parent.is_dir()):
            raise CommandError(f"{path} is there, or its directory is not; nothing was changed")
        try:
            report = self._plan_or_erase(options)
        except AppError as error:
            details = "; ".join(f"{name}: {value}" for name, value in error.details.items())
            said = error.text + (f" ({details})" if details else "")
            raise CommandError(said + _MEANT.get(type(error), "")) from error
        except Error as error:
            # What was done is done, each part with its record.
            raise CommandError(
                f"{explain(error)}. The same command goes on where this ended"
            ) from error
        self._show(report, options)
        if path is not None:
            _write(path, report)
        if report.failed:
            raise CommandError(
                f"{len(report.failed)} tenants could not be looked through or emptied: "
                f"{', '.join(report.failed)}. Nobody can sign in as the person; the account keeps its "
                "address until the same command has done the rest."
                if report.state == State.INCOMPLETE
                else f"tenants could not be looked through: {', '.join(report.failed)}"
            )

    def _plan_or_erase(self, options: dict[str, Any]) -> Report:
        email = options["email"]
        if claimed := accounts.count_claimed(email=email):
            self.stderr.write(
                f"{claimed} accounts of tenants' directories claim this address and stay: what a"
                " directory says of an address does not prove whose it is"
            )
        if options["plan"]:
            return plan_erasure(email=email, tell=self.stderr.write)
        if not options["yes"]:
            self._confirm(plan_erasure(email=email, tell=self.stderr.write), email)
        return erase_person(
            email=email,
            allowed=Allowed(tuple(options["allow_orphaned"]), options["allow_last_operator"]),
            clock=timezone.now,
            tell=self.stderr.write,
        )

    def _confirm(self, plan: Report, email: str) -> None:
        """Raises CommandError: it was not confirmed; nothing was changed."""
        for line in plan.as_text():
            self.stderr.write(line)
        if not plan.changes_anything and plan.finished_at is not None:
            return
        if not sys.stdin.isatty():
            raise CommandError("there is no terminal to ask at; give --yes. Nothing was changed")
        typed = input("This cannot be taken back. Type the address again: ")
        if canonical_email(typed) != canonical_email(email):
            raise CommandError("not confirmed; nothing was changed")

    def _show(self, report: Report, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json, ensure_ascii=False))
            return
        for line in report.as_text():
            self.stdout.write(line)
        self.stdout.write(f"{report.state}: account {report.person_id or 'none'}")


def _write(path: Path, report: Report) -> None:
    """Raises CommandError: the erasure is done, its report is not written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(report.as_json, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CommandError(
            f"{report.state}, but the report could not be written: {error.strerror}. "
            "The same command with another FILE writes it again"
        ) from error
