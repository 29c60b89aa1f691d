"""Names at the edges, and tenants whose role, row or schema goes away under a request."""

import contextlib
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet.services import find_breaches
from shared_apps.onboarding import schemas
from shared_apps.onboarding.services import TenantRequest, create_tenant
from shared_apps.tenants import routing
from shared_apps.tenants.models import Domain, Tenant
from tests.client import Api
from tests.installation import PASSWORD, Installation

_ODD = [
    "information_schema",
    "../x",
    "%s",
    "t_a b",
    "t_" + "a" * 61,
    "t_\u0430cme",
    "public",
    "t_A",
    "",
]


@pytest.mark.parametrize("schema", _ODD)
def test_the_database_refuses_odd_schemas(acme: TenantIdentity, schema: str) -> None:
    row = Tenant(slug="odd", name="x", schema_name=schema, role_name=f"d_{schema}"[:63])
    with context.operator(), transaction.atomic(), pytest.raises(IntegrityError):
        Tenant.objects.bulk_create([row])


@pytest.mark.parametrize("slug", ["information_schema", "../x", "%s", "\u0430cme", "a-", "A", ""])
def test_the_database_refuses_odd_slugs(acme: TenantIdentity, slug: str) -> None:
    row = Tenant(slug=slug, name="x", schema_name="t_odd", role_name="d_t_odd")
    with context.operator(), transaction.atomic(), pytest.raises(IntegrityError):
        Tenant.objects.bulk_create([row])


@pytest.mark.parametrize(
    "role", ["postgres", "d_app", "d_t_acme", "d_tenants", "t_odd", "d-t_odd", ""]
)
def test_a_tenant_cannot_claim_another_role(acme: TenantIdentity, role: str) -> None:
    row = Tenant(slug="odd", name="x", schema_name="t_odd", role_name=role)
    with context.operator(), transaction.atomic(), pytest.raises(IntegrityError):
        Tenant.objects.bulk_create([row])


@pytest.mark.parametrize(
    "domain", ["../x", "A.example", "a b", "%s", "a_b.example", ".a", "a.", ""]
)
def test_the_database_refuses_odd_domains(acme: TenantIdentity, domain: str) -> None:
    row = Domain(domain=domain, tenant_id=acme.id, is_primary=False)
    with context.operator(), transaction.atomic(), pytest.raises(IntegrityError):
        Domain.objects.bulk_create([row])


@pytest.fixture
def initech(system: Installation) -> Iterator[TenantIdentity]:
    """A tenant that a test may destroy."""
    request = TenantRequest(
        slug="initech", name="Initech", domains=("initech.localhost",),
        admin_email="admin@initech.example", admin_password=PASSWORD,
    )  # fmt: skip
    with context.operator():
        tenant = create_tenant(request=request, at=datetime.now(UTC)).identity
    yield tenant
    with context.operator():
        schemas.drop_schema(tenant)
        Tenant.objects.filter(id=tenant.id).delete()
    routing.announce_change()


@pytest.fixture
def admin(initech: TenantIdentity) -> Iterator[psycopg.Connection[Any]]:
    name = settings.DATABASES["default"]["NAME"]
    with psycopg.connect(settings.ADMIN_DATABASE_URL, dbname=name, autocommit=True) as connection:
        yield connection


def _exists(admin: psycopg.Connection[Any], tenant: TenantIdentity) -> tuple[bool, bool]:
    """The role and the schema of a tenant."""
    row = admin.execute(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s),"
        " EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)",
        [tenant.role, tenant.schema],
    ).fetchone()
    assert row is not None
    return bool(row[0]), bool(row[1])


def test_a_role_that_was_dropped_by_hand_is_a_503_until_it_is_repaired(
    initech: TenantIdentity, acme: TenantIdentity, admin: psycopg.Connection[Any],
    api: Callable[..., Api],
) -> None:  # fmt: skip
    client, other = api(initech, "admin"), api(acme, "admin")
    role = sql.Identifier(initech.role)
    admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
    admin.execute(sql.SQL("DROP ROLE {}").format(role))

    refused = client.get("vendors/")
    assert refused.status_code == 503
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "context_refused"
    assert other.get("vendors/").status_code == 200, "on the same connection"

    with context.operator():
        assert any("initech" in finding.subject for finding in find_breaches())
        call_command("tenant", "repair", "initech", stdout=io.StringIO())
        assert find_breaches() == []
    assert client.get("vendors/").status_code == 200


def test_a_schema_that_is_gone_is_a_503_and_never_another_schema(
    initech: TenantIdentity, acme: TenantIdentity, api: Callable[..., Api]
) -> None:
    client = api(initech, "admin")
    with context.operator():
        schemas.drop_schema(initech)
    # The role went with the schema; one that somebody makes again has no schema to read.
    assert client.get("vendors/").status_code == 503
    with context.operator():
        from django.db import connections

        from shared_apps.fleet import roles

        with connections["migration"].cursor() as cursor:
            roles.ensure(cursor, initech.role)
            roles.may_become(cursor, roles.application_login(), initech.role)
    gone = client.get("vendors/")
    assert gone.status_code == 503
    assert gone.json()["code"] == "schema_unavailable"
    assert api(acme, "admin").get("vendors/").status_code == 200


def test_a_tenant_that_is_removed_while_its_request_runs(
    initech: TenantIdentity, acme: TenantIdentity, api: Callable[..., Api]
) -> None:
    """Row, schema and role go between the host's look-up and the statement: refused, and nobody else's."""
    client = api(initech, "admin")
    assert client.get("vendors/").status_code == 200  # the route is remembered from here on
    with context.operator():
        schemas.drop_schema(initech)
        Tenant.objects.filter(id=initech.id).delete()
    response = client.get("vendors/")
    assert response.status_code in (401, 404, 503)
    assert response["Content-Type"] == "application/problem+json"
    with context.tenant(initech), contextlib.suppress(Exception), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM invoicing_vendor")
        raise AssertionError("there is nothing to read")
    assert api(acme, "admin").get("vendors/").status_code == 200


def test_dropping_a_tenant_leaves_neither_role_nor_schema_and_can_be_repeated(
    initech: TenantIdentity, acme: TenantIdentity, admin: psycopg.Connection[Any]
) -> None:
    # Rights given by hand would keep PostgreSQL from dropping the role.
    admin.execute(
        sql.SQL("GRANT SELECT ON accounts_user TO {}").format(sql.Identifier(initech.role))
    )
    assert _exists(admin, initech) == (True, True)
    with context.operator():
        for _ in range(2):
            schemas.drop_schema(initech)
    assert _exists(admin, initech) == (False, False)
    assert _exists(admin, acme) == (True, True)
