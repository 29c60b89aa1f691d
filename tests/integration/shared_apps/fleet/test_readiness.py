"""While a fleet is migrated: who is served, by which release of the code."""

import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from shared_apps.core import context
from shared_apps.fleet import readiness
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tests.fleet import Fleet

ADD_NOTE = """
operations = [migrations.AddField("vendor", "note", models.CharField(max_length=20, db_default="none"))]
"""


def _status(slug: str) -> tuple[int, str]:
    with context.nobody():
        response = Client(HTTP_HOST=f"{slug}.localhost").get("/api/v1/version-info/")
    return response.status_code, response.json().get("code", "")


def test_a_tenant_that_is_not_migrated_yet_is_told_so_and_the_others_are_served(
    fleet: Fleet,
) -> None:
    assert _status("acme") == (200, "")
    fleet.release(_0004_note=ADD_NOTE)
    fleet.migrate("--only", "acme")
    assert _status("acme") == (200, "")
    assert _status("globex") == (503, "tenants.schema_behind")
    fleet.migrate()
    time.sleep(1.1)  # a bad answer is remembered for a second
    assert _status("globex") == (200, "")


def test_the_release_before_serves_tenants_that_are_ahead_of_it(fleet: Fleet) -> None:
    fleet.release(_0004_note=ADD_NOTE)
    fleet.migrate()
    fleet.undo_release()
    assert _status("acme") == (200, "")


def test_being_current_costs_a_query_once_and_never_again(fleet: Fleet) -> None:
    asked = []
    with context.nobody():
        for _ in range(2):
            with connections["default"].execute_wrapper(
                lambda execute, sql, *rest: (asked.append(sql), execute(sql, *rest))[1]
            ):
                Client(HTTP_HOST="acme.localhost").get("/api/v1/version-info/")
    assert len([sql for sql in asked if "fleet_schemaversion" in sql]) <= 1


def _ready() -> tuple[int, str]:
    readiness._known.clear()
    with context.nobody():
        response = Client(HTTP_HOST="localhost").get("/health/ready")
    return response.status_code, response.json()["checks"]["schema"]


def test_readiness_knows_that_the_database_is_ahead_or_behind(fleet: Fleet) -> None:
    assert _ready() == (200, "ok")
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('accounts', '9999_later', now())"
        )
        try:
            assert _ready() == (200, "ahead")
            cursor.execute(
                "UPDATE django_migrations SET name = '0001_else' WHERE app = 'fleet' AND name = '0001_initial'"
            )
            assert _ready() == (503, "behind")
        finally:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_later'")
            cursor.execute(
                "UPDATE django_migrations SET name = '0001_initial' WHERE app = 'fleet' AND name = '0001_else'"
            )
    assert _ready() == (200, "ok")


def _wait(*, seconds: int = 0) -> str:
    readiness._known.clear()
    said = StringIO()
    with context.operator():
        call_command("fleet", "wait", "--seconds", str(seconds), stdout=said, stderr=said)
    return said.getvalue()


def test_a_new_release_waits_until_it_can_serve_every_tenant(fleet: Fleet) -> None:
    assert _wait() == "this release can serve all tenants\n"
    fleet.release(_0004_note=ADD_NOTE)
    with pytest.raises(CommandError, match="cannot serve acme, globex: run"):
        _wait()
    fleet.migrate("--only", "acme")
    with pytest.raises(CommandError, match="cannot serve globex: run"):
        _wait()

    fleet.migrate()
    assert _wait() == "this release can serve all tenants\n"

    # And the one before does, after a rollback: what is ahead is served.
    fleet.undo_release()
    assert _wait() == "this release can serve all tenants\n"


def test_a_tenant_that_nobody_is_served_from_keeps_no_release_waiting(fleet: Fleet) -> None:
    with context.operator():
        Tenant.objects.filter(slug="globex").update(state=TenantState.SUSPENDED)
    fleet.release(_0004_note=ADD_NOTE)
    fleet.migrate("--only", "acme")
    assert _wait() == "this release can serve all tenants\n"
