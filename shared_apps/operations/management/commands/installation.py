"""`manage.py installation backup|verify|restore|drill|support-bundle`."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shared_apps.core.errors import AppError, explain
from shared_apps.operations.backup import checking, drilling, making, places, restoring
from shared_apps.operations.backup.manifest import Manifest
from shared_apps.operations.support import bundling

_MOST_JOBS = 32


def positive(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise ArgumentTypeError(f"a whole number from 1 on, not {text!r}")
    return int(text)


def jobs(text: str) -> int:
    number = positive(text)
    if number > _MOST_JOBS:
        raise ArgumentTypeError(f"at most {_MOST_JOBS}")
    return number


class Command(BaseCommand):
    help = "The installation as a whole: back it up, prove a backup, bring one back, look into it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        backup = actions.add_parser(
            "backup", help="both databases and all files into a new directory below PLACE"
        )
        backup.add_argument("place", type=Path, metavar="PLACE")
        backup.add_argument("--jobs", type=jobs, default=2, help="programs at work (2)")
        backup.add_argument(
            "--keep", type=positive, metavar="N", help="then remove all but the newest N"
        )
        backup.add_argument(
            "--without-files", action="store_true", help="of an installation that keeps none"
        )
        backup.add_argument("--json", action="store_true")
        for name, help_text in (
            ("verify", "whether a backup is whole and unchanged"),
            ("drill", "restore it beside the installation, compare, throw away; exit 1 if it is not good"),
            ("restore", "put it in the place of what is here; stop all processes first"),
        ):  # fmt: skip
            own = actions.add_parser(name, help=help_text)
            own.add_argument(
                "path", type=Path, metavar="PATH", help="a backup, or a PLACE: its newest"
            )
            own.add_argument("--json", action="store_true")
            if name != "verify":
                own.add_argument("--jobs", type=jobs, default=2, help="programs at work (2)")
            if name == "restore":
                own.add_argument(
                    "--replace", action="store_true", help="what is here, which is kept aside"
                )
                own.add_argument("--yes", action="store_true", help="do not ask")
                own.add_argument(
                    "--despite-lost-keys",
                    action="store_true",
                    help="though secrets are lost: what they sealed stays closed",
                )

        bundle = actions.add_parser(
            "support-bundle",
            help="facts and logs for somebody who helps, without secrets and people",
        )
        bundle.add_argument("-o", "--output", required=True, type=Path, help="a new file, .tar.gz")
        bundle.add_argument(
            "--log", action="append", default=[], type=Path, metavar="PATH",
            help="a log, or a directory with some; may be repeated",
        )  # fmt: skip
        bundle.add_argument(
            "--log-megabytes", type=positive, default=5, help="of the end of each (5)"
        )
        bundle.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action'].replace('-', '_')}")(options)
        except AppError as error:
            raise CommandError(error.text) from error
        except (psycopg.Error, OSError) as error:
            raise CommandError(explain(error)) from error

    def _backup(self, options: dict[str, Any]) -> None:
        made = making.make_backup(
            options["place"],
            at=timezone.now(),
            jobs=options["jobs"],
            keep=options["keep"],
            with_files=not options["without_files"],
            report=self.stderr.write,
        )
        said = {**describe(made.path, made.manifest), "removed": list(map(str, made.removed))}
        self._tell(said, options)

    def _verify(self, options: dict[str, Any]) -> None:
        path = places.find(options["path"])
        self._tell(describe(path, checking.verify(path, report=self.stderr.write)), options)

    def _drill(self, options: dict[str, Any]) -> None:
        path = places.find(options["path"])
        done = drilling.drill(path, jobs=options["jobs"], report=self.stderr.write)
        self._tell({"ok": done.is_good, **asdict(done)}, options)
        if not done.is_good:
            raise SystemExit(1)

    def _restore(self, options: dict[str, Any]) -> None:
        path = places.find(options["path"])
        stated = restoring.check(
            path, despite_lost_keys=options["despite_lost_keys"], report=self.stderr.write
        )
        if present := restoring.find_contents():
            if not options["replace"]:
                raise CommandError(
                    f"The installation is not empty ({', '.join(present)}): nothing was changed."
                    " --replace puts the backup in its place."
                )
            self._confirm(present, options)
        done = restoring.restore(
            path, stated, at=timezone.now(), jobs=options["jobs"], report=self.stderr.write
        )
        self._tell({**describe(path, stated), "former": list(done.former)}, options)

    def _support_bundle(self, options: dict[str, Any]) -> None:
        made = bundling.make_bundle(
            options["output"], logs=options["log"], log_bytes=options["log_megabytes"] * 1_000_000
        )
        said = {"path": str(made.path), "files": list(made.files), "bytes": made.size}
        self._tell(said, options)

    def _confirm(self, present: list[str], options: dict[str, Any]) -> None:
        if options["yes"]:
            return
        name = str(settings.DATABASES["default"]["NAME"])
        if not sys.stdin.isatty():
            raise CommandError(f"--replace takes away {', '.join(present)}: say --yes as well")
        self.stderr.write(f"This takes away {', '.join(present)}.")
        if input(f"Type the database's name ({name}) to go on: ") != name:
            raise CommandError("nothing was changed")

    def _tell(self, said: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(said))
            return
        for name, value in said.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            self.stdout.write(f"{name:<16} {shown}".rstrip())


def describe(path: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "path": str(path),
        "version": manifest.version,
        "rows_of": manifest.made_at,
        "tenants": len(manifest.tenants),
        "rows": manifest.application.rows,
        "audit_entries": sum(
            rows
            for table, (rows, _) in manifest.audit.contents.get("audit", {}).items()
            if table.startswith("entry_")
        ),
        "files": None if manifest.files is None else sum(manifest.files.values()),
        "bytes": sum(member.size for member in manifest.members.values()),
    }
