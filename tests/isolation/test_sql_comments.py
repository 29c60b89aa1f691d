"""Whose a statement is, as the server sees it in pg_stat_activity and writes it in its log."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import Client, override_settings

from shared_apps.core import attribution, context, route
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.database.comment import statement_comment
from tests.isolation.modes import DIRECT, Mode, Poolers, connected, default_connection

HOSTILE = "*/ DROP TABLE x; -- ' %s % /* \\ \n é"


def test_a_request_names_tenant_route_and_request(mode: Mode, acme: TenantIdentity) -> None:
    with override_settings(ROOT_URLCONF="tests.isolation.urls"):
        seen = (
            Client()
            .get("/statement/42/", headers={"host": "acme.localhost", "x-request-id": "r-1"})
            .json()
        )
    assert seen["query"].startswith("/*request_id='r-1',route='statement',tenant='acme'*/ ")
    assert "42" not in seen["query"].partition("*/")[0]
    assert seen["application_name"].startswith("freehold ")


def test_every_kind_of_statement_carries_it(mode: Mode, acme: TenantIdentity) -> None:
    query = "SELECT current_query()"
    seen: list[Any] = []
    with context.tenant(acme), connection.cursor() as cursor:
        for parameters in (None, [], ["5%"]):
            cursor.execute(f"{query}, {'%s' if parameters else '1'}", parameters)
            seen.append(cursor.fetchone()[0])
        seen.append(next(iter(cursor.stream(query)))[0])
        with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            seen.append(next(iter(list(copy.rows())))[0])
        with cursor.copy(f"COPY ({query} WHERE %s <> '') TO STDOUT", ["5%"]) as copy:
            seen.append(next(iter(list(copy.rows())))[0])
        with transaction.atomic(), connection.create_cursor("mine") as named:
            named.execute("SELECT statement FROM pg_cursors WHERE %s <> ''", ["5%"])
            seen.append(named.fetchone()[0])
    assert [("/*tenant='acme'*/" in text) for text in seen] == [True] * 7


@pytest.mark.parametrize("hostile", [HOSTILE, "%", "'", "*/", "%(a)s", "\x00", "💥"])
def test_no_value_ends_the_comment(acme: TenantIdentity, hostile: str) -> None:
    who = attribution.Attribution(request_id=hostile)
    comment = statement_comment(acme, who, hostile)
    assert (comment[:2], comment[-3:]) == ("/*", "*/ ")
    inside = comment[2:-3]
    assert comment.isascii()
    assert not any(sign in inside for sign in ("*", "/", "\\", "\n", "\x00", " "))
    assert inside.count("'") == 6


def test_a_hostile_value_changes_no_statement(mode: Mode, acme: TenantIdentity) -> None:
    who = attribution.Attribution(request_id=HOSTILE, user_id=UUID(int=1))
    with (
        context.tenant(acme),
        attribution.acting(who),
        route.unresolved(),
        connection.cursor() as cursor,
    ):
        route.resolved(HOSTILE)
        cursor.execute("SELECT %s, '100%%', current_user", [HOSTILE.replace("\x00", "")])
        assert cursor.fetchone() == (HOSTILE, "100%", acme.role)
        cursor.executemany("SELECT %s, '100%%'", [(1,), (2,)])
        cursor.execute("SELECT '100%'")
        assert cursor.fetchone() == ("100%",)


def test_what_no_request_caused_names_its_task_or_command(acme: TenantIdentity) -> None:
    comment = statement_comment(context.OPERATOR, attribution.command("migrate"), None)
    assert comment == "/*route='command%3Amigrate'*/ "


def test_asynchronous_code_is_told_apart(acme: TenantIdentity, globex: TenantIdentity) -> None:
    async def ask(tenant: TenantIdentity, number: int) -> bool:
        who = attribution.Attribution(request_id=f"r-{number}")
        with context.tenant(tenant), attribution.acting(who):
            seen = await sync_to_async(_own_statement)()
        return seen.startswith(f"/*request_id='r-{number}',tenant='{tenant.slug}'*/ ")

    async def everybody() -> list[bool]:
        return await asyncio.gather(*(ask((acme, globex)[n % 2], n) for n in range(20)))

    assert asyncio.run(everybody()) == [True] * 20


def _own_statement() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_query()")
        return str(cursor.fetchone()[0])


def test_it_can_be_switched_off(acme: TenantIdentity, poolers: Poolers) -> None:
    with (
        connected(DIRECT, poolers),
        default_connection(SQL_COMMENTS=False),
        context.tenant(acme),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT current_query()")
        assert "/*" not in cursor.fetchone()[0]
