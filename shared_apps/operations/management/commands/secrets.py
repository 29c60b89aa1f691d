"""`manage.py secrets status|reseal|passwords`: docs/rotation.md."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from shared_apps.core.errors import AppError, explain
from shared_apps.core.progress import Progress
from shared_apps.core.sealing import SealBrokenError
from shared_apps.operations.rotation import passwords, resealing, status
from shared_apps.operations.rotation.passwords import LoginState


class Command(BaseCommand):
    help = (
        "Keys and passwords of the installation: what needs which, and changing them. Shows none."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, help_text in (
            ("status", "which keys are in use, and which can go; exit 1 if one is missing"),
            ("reseal", "seal everything with the first keys"),
            ("passwords", "give logins the passwords of their URLs; needs ADMIN_DATABASE_URL"),
        ):
            own = actions.add_parser(name, help=help_text)
            own.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except AppError as error:
            raise CommandError(error.text) from error
        except (SealBrokenError, psycopg.Error) as error:
            raise CommandError(explain(error)) from error

    def _status(self, options: dict[str, Any]) -> None:
        keys, logins = status.list_keys(), passwords.examine()
        is_fine = all(key.is_fine for key in keys) and all(login.is_accepted for login in logins)
        if options["json"]:
            said = {
                "ok": is_fine,
                "keys": [asdict(key) for key in keys],
                "logins": [asdict(login) for login in logins],
            }
            self.stdout.write(json.dumps(said))
        else:
            for key in keys:
                state = "in use" if key.is_current else "former" if key.is_known else "MISSING"
                uses = "" if key.uses is None else f"{key.uses} uses"
                line = f"{key.setting:<22}{key.id:<16}{state:<9}{uses:<10}{key.advice}"
                self.stdout.write(line.rstrip())
            self._tell(logins)
        if not is_fine:
            raise SystemExit(1)

    def _reseal(self, options: dict[str, Any]) -> None:
        progress = Progress(self.stderr, unit="keys")
        done = asdict(resealing.reseal(progress.advance))
        progress.interrupt()
        if options["json"]:
            self.stdout.write(json.dumps(done))
            return
        for name, count in done.items():
            self.stdout.write(f"{name.replace('_', ' '):<22}{count} sealed anew")

    def _passwords(self, options: dict[str, Any]) -> None:
        logins = passwords.make_agree(self.stderr.write)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(login) for login in logins]))
        else:
            self._tell(logins)
        if not all(login.is_accepted for login in logins):
            raise SystemExit(1)

    def _tell(self, logins: list[LoginState]) -> None:
        for login in logins:
            state = "accepted" if login.is_accepted else f"REFUSED  {login.reason}"
            self.stdout.write(f"{login.setting:<32}{login.login:<30}{state}")
