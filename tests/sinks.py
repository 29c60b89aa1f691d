"""The sinks of two tenants and what serves them, in this process."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from uuid import UUID

import psycopg
from django.conf import settings as configured
from django.core.management import call_command

from shared_apps.audit.sinks import records
from shared_apps.audit.sinks.delivering import Deliverer
from shared_apps.audit.sinks.records import Sink
from shared_apps.core.references import Reference, Secrets

SECRET = "a secret of the receiver"


@dataclass(frozen=True)
class Sinks:
    """The sinks of two tenants, and a process's worth of sending."""

    one: UUID
    other: UUID
    secret: Path

    def add(
        self, tenant: UUID, name: str, url: str, *, entry_format: str = "jsonl", after: int = 0
    ) -> Sink:
        secret = Reference(file=str(self.secret)) if url.startswith("https") else None
        with psycopg.connect(configured.AUDIT_MIGRATION_DATABASE_URL) as owner:
            return records.add(
                owner, tenant_id=tenant, name=name, destination=url, entry_format=entry_format,
                secret=secret, after=after,
            )  # fmt: skip

    def deliverer(self, *, patience: float = 15.0) -> Deliverer:
        return Deliverer(
            url=configured.AUDIT_AUDITOR_DATABASE_URL,
            secrets=Secrets(environment={}, directory=Path("/")),
            patience=patience,
        )

    def send(self, *, patience: float = 15.0) -> int:
        return self.deliverer(patience=patience).run_once()

    def get(self, tenant: UUID, name: str) -> Sink:
        with psycopg.connect(configured.AUDIT_AUDITOR_DATABASE_URL) as auditor:
            sink = records.find_sink(auditor, tenant, name)
        assert sink is not None
        return sink

    def command(self, action: str, name: str, tenant: UUID, *arguments: str) -> str:
        out = StringIO()
        call_command("audit", "sink", action, name, *arguments, "--tenant", str(tenant), stdout=out)
        return out.getvalue()
