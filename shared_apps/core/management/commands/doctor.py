"""`manage.py doctor`: everything that can be wrong, each with what to do."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from shared_apps.core import context, doctor


class Command(BaseCommand):
    help = "Look for what is wrong with this installation. Changes nothing; exit 1 on a finding."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        with context.operator():
            found = doctor.examine()
        findings = [(name, finding) for name, some in found.items() for finding in some]
        if options["json"]:
            described = [{"check": name, **asdict(finding)} for name, finding in findings]
            self.stdout.write(
                json.dumps({"healthy": not findings, "checks": list(found), "findings": described})
            )
        else:
            for name, some in found.items():
                self.stdout.write(f"{'ok' if not some else 'WRONG':<7}{name}")
                for finding in some:
                    self.stdout.write(f"       {finding.subject}: {finding.problem}")
                    self.stdout.write(f"       → {finding.remedy}")
        if findings:
            raise SystemExit(1)
