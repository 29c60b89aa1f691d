"""A tenant that would rather refuse changes than let many wait for the audit database."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from psycopg import sql

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.limits import TenantLimits
from shared_apps.fleet import drift
from shared_apps.tenants import services
from shared_apps.tenants.errors import LimitsError
from tests.client import Api
from tests.installation import Installation
from tests.relays import change_vendors, waiting
from tests.waiting import wait_until

Limit = Callable[..., None]


@pytest.fixture
def limit(system: Installation, acme: TenantIdentity) -> Iterator[Limit]:
    """`limit(audit_backlog_rows=8)`: of acme, until the end of the test."""

    def change(**limits: int) -> None:
        with attribution.acting(attribution.command("test")):
            services.change_limits(tenant_id=acme.id, limits=TenantLimits(**limits))

    yield change
    change()


def _vendors(tenant: TenantIdentity) -> list[str]:
    with context.tenant(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT name FROM invoicing_vendor ORDER BY name")
        return [row[0] for row in cursor.fetchall()]


def test_beyond_the_limit_a_request_is_refused_until_the_changes_are_moved(
    system: Installation,
    acme: TenantIdentity,
    globex: TenantIdentity,
    api: Callable[..., Api],
    limit: Limit,
) -> None:
    limit(audit_backlog_rows=8)
    for tenant in (acme, globex):
        change_vendors(tenant, count=2)

    refused = api(acme, "editor").post("vendors/", {"name": "Paper AG"})
    read = api(acme, "viewer").get("vendors/")
    of_another = api(globex, "editor").post("vendors/", {"name": "Paper AG"})
    left = _vendors(acme), waiting(acme)
    system.relay()
    afterwards = api(acme, "editor").post("vendors/", {"name": "Paper AG"})

    assert refused.status_code == 503
    assert refused.json()["code"] == "audit.backlog_full"
    assert int(refused["Retry-After"]) > 0
    assert left == (["3", "3"], 8)
    assert read.status_code == 200
    assert of_another.status_code == 201
    assert afterwards.status_code == 201


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_by, created_at)"
        " SELECT gen_random_uuid(), 'x', '', '', '', gen_random_uuid(), now()",
        "UPDATE invoicing_vendor SET name = 'x'",
        "DELETE FROM invoicing_vendor",
        "TRUNCATE invoicing_vendor CASCADE",
        "SET session_replication_role = replica; DELETE FROM invoicing_vendor",
        "COPY invoicing_vendor (id, name, vat_id, email, address, created_by, created_at)"
        " FROM PROGRAM 'echo 00000000-0000-0000-0000-000000000001,x,,,,00000000-0000-0000-0000-000000000001,"
        "2026-11-21' WITH (FORMAT csv, FORCE_NOT_NULL (vat_id, email, address))",
    ],
)
def test_every_way_of_writing_is_refused(
    acme: TenantIdentity, limit: Limit, statement: str
) -> None:
    limit(audit_backlog_rows=4)
    change_vendors(acme, count=1)
    database = settings.DATABASES["default"]["NAME"]

    with psycopg.connect(settings.ADMIN_DATABASE_URL, dbname=database) as superuser:
        superuser.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(acme.schema)))
        with pytest.raises(psycopg.DatabaseError) as raised:
            superuser.execute(statement)  # type: ignore[call-overload]

    assert raised.value.sqlstate == "FH001"
    assert _vendors(acme) == ["3"]
    assert waiting(acme) == 4


def test_below_the_limit_numbers_that_were_never_used_do_not_count(
    acme: TenantIdentity, limit: Limit
) -> None:
    change_vendors(acme, count=1)
    with context.tenant(acme), pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_by, created_at)"
            " SELECT gen_random_uuid(), 'x', '', '', '', gen_random_uuid(), now()"
            " FROM generate_series(1, 100); SELECT 1 / 0"
        )
    limit(audit_backlog_rows=9)

    change_vendors(acme, count=1)

    assert waiting(acme) == 8


def test_a_change_that_waits_too_long_stops_further_ones(
    system: Installation, acme: TenantIdentity, limit: Limit
) -> None:
    limit(audit_backlog_seconds=1)
    change_vendors(acme, count=1)

    def is_refused() -> bool:
        try:
            change_vendors(acme, count=1)
        except DatabaseError as error:
            return getattr(error.__cause__, "sqlstate", None) == "FH001"
        return False

    wait_until(is_refused, "the first change is a second old")
    system.relay()
    assert not is_refused()


def test_the_limit_can_be_lifted_and_is_the_tenants_alone(
    acme: TenantIdentity, globex: TenantIdentity, limit: Limit
) -> None:
    change_vendors(acme, count=1)
    limit(audit_backlog_rows=1)
    with pytest.raises(DatabaseError):
        change_vendors(acme, count=1)
    change_vendors(globex, count=1)
    states = _triggers(acme, globex)
    differences = drift.find_differences()
    limit()
    change_vendors(acme, count=1)

    assert states == ["A", "D"]
    assert differences == ([], [])
    assert _triggers(acme, globex) == ["D", "D"]
    assert _vendors(acme) == ["3", "3"]


def test_on_citus_it_is_refused(acme: TenantIdentity, settings: pytest.FixtureRequest) -> None:
    settings.DATABASE_SHARDING = "citus"  # type: ignore[attr-defined]
    with pytest.raises(LimitsError):
        services.change_limits(tenant_id=acme.id, limits=TenantLimits(audit_backlog_rows=1))


def _triggers(*tenants: TenantIdentity) -> list[str]:
    with psycopg.connect(settings.RELAY_DATABASE_URL) as source:
        return [
            str(row[0])
            for tenant in tenants
            for row in source.execute(
                "SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'audit_admission'"
                " AND tgrelid = %s::regclass",
                [f"{tenant.schema}.audit_outbox"],
            )
        ]
