"""Two trails of which nine entries are years old, in two months, and three are new; all are anchored."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.core.management import call_command

from shared_apps.audit.anchors import comparing, keys, taking
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.audit.anchors.places.directory import Directory
from shared_apps.audit.anchors.reading import Reader
from shared_apps.core import attribution, context
from tests.audit_chains import Chains, append, two_chains
from tests.relaying import running_relay

OLD = datetime(2019, 1, 28, tzinfo=UTC)  # to the 5th of February
MONTHS = ["entry_2019_01", "entry_2019_02"]


@dataclass(frozen=True)
class OldTrails:
    chains: Chains
    directory: Path
    key: SigningKey
    public: Path

    def anchor(self, *, at: datetime | None = None) -> None:
        taking.take(
            url=settings.AUDIT_AUDITOR_DATABASE_URL,
            key=self.key,
            places=[Directory(self.directory)],
            at=at or self.now,
        )

    def append(self, first: datetime, count: int) -> None:
        with psycopg.connect(settings.AUDIT_DATABASE_URL) as writer:
            for tenant in (self.chains.one, self.chains.other):
                append(writer, tenant, first=first, count=count)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def arguments(self) -> list[str]:
        """Of `audit prune`, for these two."""
        asked = ["--anchors", str(self.directory), "--public-key", str(self.public), "--json"]
        for tenant in (self.chains.one, self.chains.other):
            asked += ["--tenant", str(tenant)]
        return asked

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """`audit prune` of both, without a relay."""
        out = StringIO()
        asked = self.arguments()
        with context.operator(), attribution.acting(attribution.command("audit")):
            try:
                call_command("audit", "prune", *asked, *arguments, stdout=out, stderr=StringIO())
                code = 0
            except SystemExit as ended:
                code = int(str(ended.code))
        return code, json.loads(out.getvalue())

    def prune(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        with running_relay():
            return self.run("--yes", *arguments)

    def problems(self) -> list[tuple[str, str]]:
        """What the chains and the anchors say, of both."""
        chains = [problem for verdict in self.chains.verify() for problem in verdict.problems]
        compared = comparing.compare(
            url=settings.AUDIT_AUDITOR_DATABASE_URL,
            reader=Reader([self.directory], keys.read_public_keys(self.public)),
            tenants=[self.chains.one, self.chains.other],
        )
        assert compared.of_anchors == []
        anchors = [problem for found in compared.problems.values() for problem in found]
        return [(str(problem.kind), problem.numbers) for problem in [*chains, *anchors]]

    def numbers(self, tenant: UUID) -> list[int]:
        rows = self.chains.admin.execute(
            "SELECT sequence FROM audit.entry WHERE tenant_id = %s ORDER BY 1", [tenant]
        )
        return [row[0] for row in rows]

    def months(self) -> list[str]:
        rows = self.chains.admin.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'audit.entry'::regclass AND c.relname LIKE 'entry_2019%' ORDER BY 1"
        )
        return [row[0] for row in rows]


@contextmanager
def old_trails(directory: Path) -> Iterator[OldTrails]:
    with two_chains(OLD) as chains:
        key, public = SigningKey.generate(), directory / "keys.json"
        keys.add_public_key(public, key.public)
        trails = OldTrails(chains, directory / "anchors", key, public)
        trails.anchor()
        trails.append(datetime.now(UTC) - timedelta(days=3), 3)
        trails.anchor()
        yield trails
        for month in trails.months():
            chains.admin.execute(f"DROP TABLE audit.{month}")  # type: ignore[arg-type]
