"""The peers' sides and the floor, each in a process of its own with its own settings and database."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import django
from django.db import models

from tests.benchmarks.suite.audit.writing import Writing


class Plain(Writing):
    """A target of `workers.worker`; the floor, and what the peers have in common."""

    app = "plain"
    entries: tuple[str, str] | None = None
    """App label and name of the model that the peer records into."""

    def __init__(self) -> None:
        django.setup()
        from django.apps import apps
        from django.contrib.auth.models import User

        self.model = next(
            model
            for model in apps.get_app_config(self.app).get_models()
            if model.__name__
            in ("Plain", "Registered", "Historical", "Tracked", "TrackedByStatement")
        )
        self._users = User

    def install(self) -> None:
        from django.core.management import call_command
        from django.db import connection
        from django.db.migrations.loader import MigrationLoader

        # Tables without migrations would be made first, and theirs refer to others.
        for label in sorted(MigrationLoader(connection).migrated_apps):
            call_command("migrate", label, verbosity=0)
        call_command("migrate", run_syncdb=True, verbosity=0)
        self.user = self._users.objects.create(username="somebody")

    def count_entries(self) -> int:
        from django.apps import apps

        return apps.get_model(*self.entries).objects.count() if self.entries else 0


class Auditlog(Plain):
    app, entries = "auditlog_rows", ("auditlog", "LogEntry")

    def acting(self) -> AbstractContextManager[object]:
        from auditlog.context import set_actor

        actor: AbstractContextManager[object] = set_actor(self.user, remote_addr="192.0.2.7")
        return actor

    def insert_all(self, rows: Sequence[models.Model]) -> None:
        """One by one: what bulk_create() inserts is not recorded."""
        for row in rows:
            row.save()

    def change_all(self, rows: "models.QuerySet[Any]", column: str) -> None:
        """One by one: what update() changes is not recorded."""
        for row in rows:
            setattr(row, column, getattr(row, column) + 1)
            row.save()


class SimpleHistory(Plain):
    app, entries = "history_rows", ("history_rows", "HistoricalHistorical")

    def make(self, rows: int) -> list[models.Model]:
        made = super().make(rows)
        for row in made:
            row._history_user = self.user  # type: ignore[attr-defined]  # its documented way
        return made

    def insert_all(self, rows: Sequence[models.Model]) -> None:
        """Its own way: what bulk_create() inserts is not recorded."""
        from simple_history.utils import bulk_create_with_history

        bulk_create_with_history(rows, self.model, default_user=self.user)

    def change_all(self, rows: "models.QuerySet[Any]", column: str) -> None:
        """Its own way: what update() changes is not recorded."""
        from simple_history.utils import bulk_update_with_history

        found = list(rows)
        for row in found:
            setattr(row, column, getattr(row, column) + 1)
        bulk_update_with_history(found, self.model, [column], default_user=self.user)


class PgHistory(Plain):
    app, entries = "pghistory_rows", ("pghistory_rows", "TrackedEvent")

    def install(self) -> None:
        from django.core.management import call_command

        super().install()
        call_command("pgtrigger", "install", verbosity=0)

    def acting(self) -> AbstractContextManager[object]:
        import pghistory

        known: AbstractContextManager[object] = pghistory.context(user=self.user.pk, url="/rows/")
        return known


class PgHistoryByStatement(PgHistory):
    app, entries = (
        "pghistory_statement_rows",
        ("pghistory_statement_rows", "TrackedByStatementEvent"),
    )
