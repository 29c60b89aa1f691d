"""What the database itself refuses, asked as the application's own login."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from psycopg import errors, sql

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired


@pytest.fixture
def login(acme: TenantIdentity) -> Iterator[psycopg.Connection[Any]]:
    """psql, as it were."""
    database = settings.DATABASES["default"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"], autocommit=True,
    ) as session:  # fmt: skip
        yield session


def test_no_context_is_an_error(acme: TenantIdentity) -> None:
    with pytest.raises(TenantContextRequired), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_statements_run_as_the_tenants_role_on_its_path(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex, acme):
        with context.tenant(tenant), connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_schema()")
            assert cursor.fetchone() == (tenant.role, tenant.schema)


def test_the_operator_is_back_to_the_login_itself(acme: TenantIdentity) -> None:
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with context.operator(), connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_schema()")
        assert cursor.fetchone() == (settings.DATABASES["default"]["USER"], "public")


def test_a_rollback_does_not_leave_another_tenants_path(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(globex), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with contextlib.suppress(ZeroDivisionError), context.tenant(acme), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        raise ZeroDivisionError
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_schema()")
        assert cursor.fetchone() == (acme.role, acme.schema)


def test_a_savepoint_rollback_does_not_either(acme: TenantIdentity, globex: TenantIdentity) -> None:
    with context.tenant(acme), transaction.atomic():
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            with context.tenant(globex), connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            raise ZeroDivisionError
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_schema()")
            assert cursor.fetchone() == (acme.role, acme.schema)


def test_raw_sql_cannot_reach_another_tenant(acme: TenantIdentity, globex: TenantIdentity) -> None:
    with (
        context.tenant(acme),
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError) as raised,
    ):
        cursor.execute(f"SELECT * FROM {globex.schema}.audit_outbox")
    assert isinstance(raised.value.__cause__, errors.InsufficientPrivilege)


@pytest.mark.parametrize(
    "table", ["tenants_tenant", "accounts_user", "authn_session", "audit_outbox"]
)
def test_a_tenants_role_cannot_read_shared_tables(
    login: psycopg.Connection[Any], acme: TenantIdentity, table: str
) -> None:
    login.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(acme.role)))
    with pytest.raises(errors.InsufficientPrivilege):
        login.execute(f"SELECT * FROM public.{table}")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {schema}.audit_outbox",
        "DELETE FROM {schema}.audit_outbox",
        "CREATE TABLE {schema}.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE TEMPORARY TABLE audit_outbox (id int)",
        "ALTER TABLE public.tenants_tenant DISABLE TRIGGER ALL",
        "TRUNCATE public.audit_outbox",
        "SET session_replication_role = replica",
    ],
)
@pytest.mark.parametrize("as_tenant", [False, True])
def test_the_login_cannot(
    login: psycopg.Connection[Any], acme: TenantIdentity, statement: str, as_tenant: bool
) -> None:
    if as_tenant:
        login.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(acme.role)))
    with pytest.raises(errors.InsufficientPrivilege):
        login.execute(statement.format(schema=acme.schema))


def test_context_costs_no_round_trip_and_nothing_when_it_is_the_same(acme: TenantIdentity) -> None:
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("SELECT 2")
        session = connection.connection.session
        assert session.pending(connection.connection.pgconn.transaction_status) == ()
        cursor.execute("SELECT %s, '100%%'", [7])
        assert cursor.fetchone() == (7, "100%")


def test_a_failed_statement_leaves_the_next_one_in_context(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(globex), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with context.tenant(acme), connection.cursor() as cursor:
        with pytest.raises(ProgrammingError):
            cursor.execute("SELECT nonsense")
        cursor.execute("SELECT current_user, current_schema()")
        assert cursor.fetchone() == (acme.role, acme.schema)


@pytest.mark.parametrize(
    "text",
    ["it's", "back\\slash", "\\' || current_user", "'; RESET ROLE; --", "100 %s", "ü\n"],
)
def test_whatever_a_client_sends_is_only_text_in_the_attribution(
    acme: TenantIdentity, text: str
) -> None:
    who = attribution.Attribution(request_id=text, ip="127.0.0.1")
    with context.tenant(acme), attribution.acting(who), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, current_setting('freehold.attribution')::json->>'ip',"
            " current_setting('freehold.attribution'), %s",
            ["parameter"],
        )
        assert cursor.fetchone() == (acme.role, "127.0.0.1", who.as_json, "parameter")
