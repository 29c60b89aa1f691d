"""`manage.py fleet migrate|status|compatible|wait|drift|spares|sharding`."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shared_apps.core.errors import AppError
from shared_apps.fleet import drift, planning, serving, status
from shared_apps.fleet.management import migrating, sparing, waiting
from shared_apps.fleet.sharding import examining


class Command(BaseCommand):
    help = "Migrate all tenants, see where they are, find what was changed by hand."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        migrate = actions.add_parser("migrate", help="shared schema, canary wave, then the rest")
        migrating.add_arguments(migrate)
        migrate.add_argument(
            "--plan", action="store_true", help="say what would be done, and change nothing"
        )
        seen = actions.add_parser("status", help="which tenants are at this code's version")
        seen.add_argument("--json", action="store_true")
        seen.add_argument(
            "--verify",
            action="store_true",
            help="ask each schema's own rows, and correct the ledger where it differs",
        )
        compatible = actions.add_parser(
            "compatible", help="can this release's code serve every schema as it is; exit 1 if not"
        )
        compatible.add_argument("--json", action="store_true")
        wait = actions.add_parser(
            "wait", help="until this code can serve every tenant; exit 1 if not"
        )
        waiting.add_arguments(wait)
        different = actions.add_parser("drift", help="compare every schema with the template")
        different.add_argument("--json", action="store_true")
        spares = actions.add_parser("spares", help="schemas that are ready for new tenants")
        sparing.add_arguments(spares)
        sharding = actions.add_parser(
            "sharding", help="could every schema be a node's of a Citus cluster, and where is it"
        )
        sharding.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "migrate" if options["plan"]:
                    self._plan(options)
                case "migrate":
                    migrating.migrate(self, options)
                case "status":
                    self._status(options)
                case "compatible":
                    self._compatible(options)
                case "wait":
                    waiting.wait(self, options)
                case "drift":
                    self._drift(options)
                case "spares":
                    sparing.show_or_fill(self, options)
                case "sharding":
                    self._sharding(options)
        except AppError as error:
            raise CommandError(error.text) from error

    def _plan(self, options: dict[str, Any]) -> None:
        plan = planning.plan_run(only=options["only"])
        if options["json"]:
            self.stdout.write(json.dumps(asdict(plan)))
            return
        for name in plan.shared:
            self.stdout.write(f"shared schema: {name}")
        for group in plan.groups:
            self.stdout.write(
                f"{len(group.tenants)} tenants: {', '.join(group.migrations) or 'rights'}"
            )
        for breakage in plan.breakages:
            self.stderr.write(f"breaks the running version: {breakage}")
        if not plan.shared and not plan.groups:
            self.stdout.write("nothing to do")

    def _status(self, options: dict[str, Any]) -> None:
        corrected = status.verify() if options["verify"] else []
        found = status.get_status()
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(found), "corrected": corrected}, default=str))
            return
        for slug in corrected:
            self.stdout.write(f"{slug}: the ledger was wrong and is corrected")
        for tenant in found.behind:
            self.stdout.write(f"{tenant.slug}: {tenant.describe()}")
        if found.last_run:
            self.stdout.write(f"last run: {found.last_run.describe()}")
        self.stdout.write(f"{found.spares} spare schemas are ready for new tenants")
        self.stdout.write(f"{found.current} of {found.total} tenants are at this code's version")

    def _compatible(self, options: dict[str, Any]) -> None:
        judged = serving.judge()
        if options["json"]:
            described = {**asdict(judged), "compatible": not judged.unservable}
            self.stdout.write(json.dumps(described))
        else:
            for unservable in judged.unservable:
                self.stdout.write(str(unservable))
            if not judged.unservable:
                self.stdout.write(
                    f"this release serves the shared schema and all {judged.tenants} tenants"
                    f" ({judged.ahead} schemas are ahead of it)"
                )
        if judged.unservable:
            raise SystemExit(1)

    def _drift(self, options: dict[str, Any]) -> None:
        differences, behind = drift.find_differences()
        if options["json"]:
            described = [asdict(difference) for difference in differences]
            self.stdout.write(json.dumps({"differences": described, "not_compared": behind}))
        else:
            for difference in differences:
                self.stdout.write(str(difference))
            for slug in behind:
                self.stdout.write(f"{slug}: not compared, it is at another version")
            if not differences:
                self.stdout.write("no differences")
        if differences:
            tenants = {difference.tenant for difference in differences}
            raise CommandError(f"{len(differences)} differences in {len(tenants)} tenants")

    def _sharding(self, options: dict[str, Any]) -> None:
        found = examining.examine()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found)))
        else:
            for node in found.nodes:
                names = [place.slug for place in found.places if str(node) in place.nodes]
                what = "coordinator" if node.is_coordinator else "node"
                state = "" if node.is_active else ", not active"
                self.stdout.write(f"{what} {node}{state}: {len(names)} tenants")
            for place in found.places:
                self.stdout.write(f"{place.slug:<40} {' '.join(place.nodes) or 'not distributed'}")
            for violation in found.violations:
                self.stdout.write(str(violation))
            if not found.violations:
                self.stdout.write("every schema keeps the rules of docs/scaling-citus.md")
        if found.violations:
            schemas = {violation.schema for violation in found.violations}
            raise CommandError(f"{len(found.violations)} violations in {len(schemas)} schemas")
