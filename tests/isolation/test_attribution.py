"""Each write is put down to whoever made it, over each way to PostgreSQL, whatever came before it there."""

import asyncio
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections, transaction
from psycopg import sql

from shared_apps.core import attribution, context
from shared_apps.core.attribution import Attribution
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Vendor
from tests.client import Api
from tests.concurrency import at_once
from tests.installation import Installation
from tests.isolation.modes import Mode
from tests.isolation.writing_urls import WRITES
from tests.server import Server, serving

# As whoever can inject SQL would: a plain SET is answered by telling it anew before the next statement.
_CLAIM = """SELECT set_config('freehold.attribution', '{"user_id":"the boss"}', true)"""


@dataclass(frozen=True)
class Recorded:
    """What the outbox says of a write."""

    attribution: dict[str, str]
    database_role: str
    transaction_id: str


@pytest.fixture
def recorded(system: Installation) -> Callable[[TenantIdentity], dict[str, Recorded]]:
    """By the vendor's new name, of all writes in a tenant."""

    def read(tenant: TenantIdentity) -> dict[str, Recorded]:
        with system.owner() as owner:
            rows = owner.execute(
                sql.SQL(
                    "SELECT new_values ->> 'name', attribution, database_role, transaction_id::text"
                    " FROM {} WHERE new_values IS NOT NULL ORDER BY id"
                ).format(sql.Identifier(tenant.schema, "audit_outbox"))
            ).fetchall()
        return {name: Recorded(json.loads(who), role, number) for name, who, role, number in rows}

    return read


def _write(name: str) -> None:
    Vendor.objects.create(name=name, created_by=UUID(int=0))


def _person() -> Attribution:
    return Attribution(user_id=uuid4(), request_id=uuid4().hex)


def _known(who: Attribution) -> dict[str, str]:
    return dict(json.loads(who.as_json))


class _TakenBackError(Exception):
    pass


def _take_back(who: Attribution, *, is_told_inside: bool) -> None:
    """A write in a transaction, or a savepoint, that is rolled back."""
    try:
        if is_told_inside:
            with transaction.atomic(), attribution.acting(who):
                _write("taken back")
                raise _TakenBackError
        with attribution.acting(who), transaction.atomic():
            _write("taken back")
            raise _TakenBackError
    except _TakenBackError:
        pass


def test_each_write_is_its_actors(
    mode: Mode,
    acme: TenantIdentity,
    globex: TenantIdentity,
    recorded: Callable[[TenantIdentity], dict[str, Recorded]],
) -> None:
    """Autocommit, transactions, savepoints that are taken back, callbacks after the commit, one after another."""
    for tenant in (acme, globex):
        one, other, third = _person(), _person(), _person()
        with context.tenant(tenant), attribution.acting(one):
            _write("alone")
            with transaction.atomic():
                transaction.on_commit(lambda: _write("after the commit"))
                _write("in a transaction")
                with attribution.acting(other):
                    _write("nested")
                    transaction.on_commit(lambda: _write("after the commit, asked for by another"))
                _write("back in the transaction")
                _take_back(third, is_told_inside=True)
                _write("after the savepoint")
                _take_back(other, is_told_inside=False)
                with attribution.acting(other):
                    _write("the same after the savepoint")
            _take_back(third, is_told_inside=False)
            _write("after the rollback")
            with attribution.acting(third):
                _write("who was taken back")
            with attribution.on_behalf_of(UUID(int=5)):
                _write("for somebody")
                with attribution.on_behalf_of(UUID(int=6)):
                    _write("for somebody else")
                _write("for somebody again")
            _write("for themselves")
            attribution.signed_in(UUID(int=8))
            _write("signed in later")

        found = recorded(tenant)

        # A callback runs as whoever commits.
        expected = {
            "alone": one,
            "in a transaction": one,
            "nested": other,
            "back in the transaction": one,
            "after the savepoint": one,
            "the same after the savepoint": other,
            "after the commit": one,
            "after the commit, asked for by another": one,
            "after the rollback": one,
            "who was taken back": third,
            "for themselves": one,
        }
        told = {name: entry.attribution for name, entry in found.items()}
        somebody, else_ = ({"on_behalf_of": str(UUID(int=n))} for n in (5, 6))
        assert told == {name: _known(who) for name, who in expected.items()} | {
            "for somebody": _known(one) | somebody,
            "for somebody else": _known(one) | else_,
            "for somebody again": _known(one) | somebody,
            "signed in later": _known(one) | {"user_id": str(UUID(int=8))},
        }


def test_role_and_transaction_are_the_databases_own(
    mode: Mode,
    acme: TenantIdentity,
    globex: TenantIdentity,
    recorded: Callable[[TenantIdentity], dict[str, Recorded]],
) -> None:
    """Whatever a statement of the tenant claims of its actor."""
    numbers = {}
    for tenant in (acme, globex):
        with context.tenant(tenant), attribution.acting(_person()), transaction.atomic():
            _write("true")
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id()::text")
                numbers[tenant.slug] = cursor.fetchone()[0]
                cursor.execute(_CLAIM)
            _write("claimed")

    for tenant in (acme, globex):
        found = recorded(tenant)
        assert found["claimed"].attribution == {"user_id": "the boss"}
        for entry in found.values():
            assert entry.database_role == tenant.role
            assert entry.transaction_id == numbers[tenant.slug]


def test_a_claim_is_gone_with_its_transaction(
    mode: Mode,
    acme: TenantIdentity,
    globex: TenantIdentity,
    recorded: Callable[[TenantIdentity], dict[str, Recorded]],
) -> None:
    who = _person()
    for tenant in (acme, globex):
        with context.tenant(tenant), attribution.acting(who):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(_CLAIM)
            _write("next")

        assert recorded(tenant)["next"].attribution == _known(who)


def test_nothing_is_left_for_whoever_is_not_known(
    mode: Mode,
    system: Installation,
    acme: TenantIdentity,
    globex: TenantIdentity,
    recorded: Callable[[TenantIdentity], dict[str, Recorded]],
) -> None:
    """On the same connection: a write that nobody announced is not the one's before it."""
    for tenant in (acme, globex):
        with context.tenant(tenant):
            with attribution.acting(_person()):
                _write("known")
            with attribution.acting(attribution.UNKNOWN):
                _write("not known")
            with transaction.atomic():
                with attribution.acting(_person()):
                    _write("known in a transaction")
                with attribution.acting(attribution.UNKNOWN):
                    _write("not known in a transaction")

        found = recorded(tenant)
        assert found["not known"].attribution == {}
        assert found["not known in a transaction"].attribution == {}


def test_a_thread_is_nobody_unless_it_was_handed_over(
    mode: Mode,
    acme: TenantIdentity,
    globex: TenantIdentity,
    recorded: Callable[[TenantIdentity], dict[str, Recorded]],
) -> None:
    for tenant in (acme, globex):
        who = _person()

        def plain(tenant: TenantIdentity = tenant) -> None:
            with context.tenant(tenant):
                _write("plain thread")

        with context.tenant(tenant), attribution.acting(who):
            for work in (plain, context.bound(lambda: _write("handed over"))):
                _in_a_thread(work)

        found = recorded(tenant)
        assert found["plain thread"].attribution == {}
        assert found["handed over"].attribution == _known(who)


def _in_a_thread(work: Callable[[], object]) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_many_threads_of_many_people_over_few_connections(
    mode: Mode,
    acme: TenantIdentity,
    globex: TenantIdentity,
    recorded: Callable[[TenantIdentity], dict[str, Recorded]],
) -> None:
    def write_much(tenant: TenantIdentity) -> dict[str, Attribution]:
        written = {}
        for number in range(30):
            who, name = _person(), uuid4().hex
            with context.tenant(tenant), attribution.acting(who):
                if number % 3:
                    _write(name)
                else:
                    with transaction.atomic():
                        Vendor.objects.count()
                        _write(name)
            written[name] = who
        return written

    results = at_once([lambda who=who: write_much(who) for who in (acme, globex) * 3])

    wrong = 0
    for tenant in (acme, globex):
        found = recorded(tenant)
        for written in results[(0 if tenant is acme else 1) :: 2]:
            assert isinstance(written, dict), written
            wrong += sum(found[name].attribution != _known(who) for name, who in written.items())
        assert len(found) == 90
    assert wrong == 0


def test_what_nobody_announced_is_marked_in_the_trail(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Any]
) -> None:
    for tenant in (acme, globex):
        with context.tenant(tenant), attribution.acting(attribution.UNKNOWN):
            vendor = Vendor.objects.create(name="whose?", created_by=UUID(int=0))
        system.relay()
        (entry,) = (
            api(tenant, "admin").get("audit/entries/", record_id=str(vendor.id)).json()["results"]
        )
        assert (entry["modified_by"], entry["attribution"]) == (
            None,
            {"unknown": "no attribution was set"},
        )


def test_interleaved_requests_of_six_people(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Any]
) -> None:
    """Against the real server: seven writes of an async view each, with waits and threads between them."""
    people = [(t, api(t, role)) for role in ("admin", "editor", "viewer") for t in (acme, globex)]
    ids = [str(client.get("auth/user/").json()["id"]) for _, client in people]
    with serving(environment=_SERVER) as server:
        statuses = asyncio.run(_ask(server, people, ids, times=_REQUESTS))
    system.relay()

    assert statuses == [201] * _REQUESTS
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        found = [
            auditor.execute(_WRITTEN, {"tenant": tenant.id, "people": ids}).fetchone()
            for tenant in (acme, globex)
        ]
    # Entries; of another person than the name says; of another request; without the caller's address.
    assert found == [(_REQUESTS // 2 * WRITES, 0, 0, 0)] * 2


# FREEHOLD_TEST_REQUESTS=500 for the whole proof.
_REQUESTS = int(os.environ.get("FREEHOLD_TEST_REQUESTS", "60"))
_AT_ONCE = 12
_SERVER = {
    "DJANGO_SETTINGS_MODULE": "tests.isolation.writing_settings",
    # A request that writes from a thread of its own has two connections for a moment.
    "DATABASE_POOL_SIZE": str(2 * _AT_ONCE),
    "TENANT_CONNECTIONS": str(_AT_ONCE),
}
_WRITTEN = """
SELECT count(*), count(*) FILTER (WHERE modified_by IS DISTINCT FROM split_part(name, '_', 1)),
       count(*) FILTER (WHERE request_id IS DISTINCT FROM split_part(name, '_', 2)),
       count(*) FILTER (WHERE attribution -> 'ip' ->> 'sealed' IS NULL)
FROM (SELECT *, new_values ->> 'name' AS name FROM audit.entry
      WHERE tenant_id = %(tenant)s AND entity_type = 'invoicing.vendor') e
WHERE split_part(name, '_', 1) = ANY(%(people)s)
"""


async def _ask(
    server: Server, people: list[tuple[TenantIdentity, Api]], ids: list[str], *, times: int
) -> list[int]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def ask(client: httpx.AsyncClient, number: int) -> int:
        (tenant, caller), person = people[number % 6], ids[number % 6]
        request_id = f"r{number}"
        async with places:
            answer = await client.get(
                f"http://127.0.0.1:{server.port}/write/{person}_{request_id}/",
                headers={"Host": server.host(tenant), "X-Request-ID": request_id, **caller.headers},
            )
        return answer.status_code

    async with httpx.AsyncClient(timeout=60) as client:
        return await asyncio.gather(*(ask(client, number) for number in range(times)))
