"""`manage.py audit install`: the audit database's logins, tables and functions; or what is wrong with them."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from shared_apps.audit import installation, rights


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing; say what is missing and which rights are too many; exit 1 if any",
    )
    parser.add_argument("--json", action="store_true")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if something is wrong, also after installing: a right too many is not taken away unasked."""
    ran = [] if options["check"] else installation.install()
    findings = rights.find_problems()
    if options["json"]:
        command.stdout.write(
            json.dumps({"ran": ran, "findings": [asdict(finding) for finding in findings]})
        )
    else:
        for script in ran:
            command.stdout.write(f"ran {script}")
        for finding in findings:
            command.stdout.write(str(finding))
        if not findings:
            command.stdout.write("the audit database is as it should be")
    if findings:
        raise SystemExit(1)
