"""What is read from a replica is read behind the same wall, or from the primary."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.db.utils import InternalError, ProgrammingError
from psycopg.errors import ReadOnlySqlTransaction

from shared_apps.accounts import cross_tenant_roles
from shared_apps.accounts.choices import CrossTenantRole
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.portfolio.models import Invoice
from shared_apps.tenants.database import replica
from tenant_apps.invoicing.models import Vendor
from tests.client import Api
from tests.installation import Installation
from tests.people import Person, make_auditor
from tests.standby import Standby, running_standby
from tests.waiting import wait_until

WHERE = "SELECT pg_is_in_recovery()"
BOUND = 3600  # seconds; tests that mean another one say so


@pytest.fixture(scope="session")
def server_beside(installation: Installation, request: pytest.FixtureRequest) -> Iterator[Standby]:
    if request.config.getoption("--infra") != "embedded":
        pytest.skip("a standby is made beside the embedded server only")
    with (
        tempfile.TemporaryDirectory(prefix="freehold-standby-") as directory,
        running_standby(Path(directory) / "standby") as standby,
    ):
        yield standby


@contextmanager
def reached_at(port: int, **overrides: Any) -> Iterator[None]:
    """The alias `replica` as config/settings/database.py makes it, and nothing known of it yet."""
    usual = connections.settings["default"]
    options = {**usual["OPTIONS"], "connect_timeout": 2, "options": "-c default_transaction_read_only=on"}  # fmt: skip
    connections.settings["replica"] = {
        **usual, "HOST": "127.0.0.1", "PORT": str(port), "OPTIONS": options, **overrides,
    }  # fmt: skip
    replica.forget()
    try:
        yield
    finally:
        connections["replica"].close()
        del connections["replica"]
        del connections.settings["replica"]
        replica.forget()


@pytest.fixture
def standby(server_beside: Standby, system: Installation, settings: Any) -> Iterator[Standby]:
    settings.DATABASE_REPLICA_MAX_LAG_SECONDS = BOUND
    server_beside.resume()
    server_beside.catch_up()
    with reached_at(server_beside.port):
        wait_until(answers_at_the_replica, "the replica is asked")
        yield server_beside
    server_beside.resume()


def where(alias: str) -> tuple[str, bool]:
    with connections[alias].cursor() as cursor:
        cursor.execute(WHERE)
        return alias, cursor.fetchone()[0]


def answers_at_the_replica() -> bool:
    with context.operator():
        return replica.read(where) == ("replica", True)


def gather(system: Installation, *tenants: TenantIdentity) -> None:
    """An invoice of each, in the portfolio."""
    for tenant in tenants:
        with context.operator():
            Invoice.objects.create(
                tenant_id=tenant.id, invoice_id=tenant.id, number=1, year=2026,
                vendor_id=tenant.id, vendor_name=f"of {tenant.slug}", status="ISSUED", currency="EUR",
                net="1", tax="0", amount="1", created_at="2026-01-01T00:00:00Z",
            )  # fmt: skip


def reader(person: Person) -> Api:
    client = Api(None)
    client.sign_in(person.email, person.password)
    return client


def shown(client: Api) -> set[str]:
    response = client.get("portfolio/invoices/")
    assert response.status_code == 200, response.content
    return {row["tenant"] for row in response.json()["results"]}


def test_lists_come_from_the_replica_with_the_granted_tenants_alone(
    standby: Standby, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    gather(system, acme, globex)
    one, both = make_auditor(acme), make_auditor(acme, globex)
    standby.catch_up()
    standby.pause()
    with context.operator():
        Invoice.objects.all().delete()

    # The primary has none any more.
    assert shown(reader(one)) == {"acme"}
    assert shown(reader(both)) == {"acme", "globex"}
    tenants = reader(both).get("portfolio/tenants/").json()["results"]
    assert [row["tenant"] for row in tenants] == ["acme", "globex"]


def test_a_grant_that_was_taken_away_counts_at_once(
    standby: Standby, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    gather(system, acme, globex)
    person = make_auditor(acme, globex)
    client = reader(person)
    standby.catch_up()
    standby.pause()

    cross_tenant_roles.revoke_role(
        tenant_id=globex.id, user_id=person.id, role=CrossTenantRole.AUDITOR
    )

    assert shown(client) == {"acme"}
    assert client.get("portfolio/invoices/", tenant="globex").json()["count"] == 0
    cross_tenant_roles.revoke_role(
        tenant_id=acme.id, user_id=person.id, role=CrossTenantRole.AUDITOR
    )
    assert client.get("portfolio/invoices/").status_code == 403


def test_a_person_whom_the_replica_does_not_know_yet_is_answered_by_the_primary(
    standby: Standby, system: Installation, acme: TenantIdentity
) -> None:
    gather(system, acme)
    standby.catch_up()
    standby.pause()

    assert shown(reader(make_auditor(acme))) == {"acme"}
    assert answers_at_the_replica(), "one role does not keep the others from the replica"


def test_a_tenants_role_reads_its_own_rows_and_the_wall_holds(
    standby: Standby, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex):
        with context.tenant(tenant):
            Vendor.objects.create(name=f"of {tenant.slug}", created_by=UUID(int=0))
    standby.catch_up()
    for tenant, other in ((acme, globex), (globex, acme), (acme, globex)):
        with context.tenant(tenant), connections["replica"].cursor() as cursor:
            assert [v.name for v in Vendor.objects.using("replica")] == [f"of {tenant.slug}"]
            cursor.execute("SELECT current_user, current_schema(), pg_is_in_recovery()")
            assert cursor.fetchone() == (tenant.role, tenant.schema, True)
            with pytest.raises(ProgrammingError, match="permission denied"):
                cursor.execute(f"SELECT * FROM {other.schema}.invoicing_vendor")


def test_nothing_is_written_there(standby: Standby, acme: TenantIdentity) -> None:
    with context.tenant(acme), pytest.raises(InternalError) as refused:
        Vendor.objects.using("replica").create(name="x", created_by=UUID(int=0))
    assert isinstance(refused.value.__cause__, ReadOnlySqlTransaction)


def test_the_alias_writes_nothing_at_a_server_that_would_take_it(acme: TenantIdentity) -> None:
    """A standby that was promoted."""
    with reached_at(int(settings.DATABASES["default"]["PORT"])), context.tenant(acme):
        with pytest.raises(InternalError) as refused:
            Vendor.objects.using("replica").create(name="x", created_by=UUID(int=0))
        assert isinstance(refused.value.__cause__, ReadOnlySqlTransaction)
        assert Vendor.objects.count() == 0


def test_one_that_lags_is_not_asked(
    standby: Standby, system: Installation, acme: TenantIdentity, settings: Any
) -> None:
    client = reader(make_auditor(acme))
    standby.catch_up()
    standby.pause()
    gather(system, acme)
    assert shown(client) == set(), "within the bound"

    settings.DATABASE_REPLICA_MAX_LAG_SECONDS = 1
    wait_until(lambda: shown(client) == {"acme"}, "the primary answers")
    (finding,) = replica.find_problems()
    assert "has not come to where the primary was" in finding.problem

    standby.resume()
    wait_until(answers_at_the_replica, "the replica is asked again")
    assert replica.find_problems() == []


def test_inside_a_transaction_what_it_wrote_is_read(
    standby: Standby, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    standby.pause()
    for tenant in (acme, globex):
        with context.tenant(tenant), transaction.atomic():
            Vendor.objects.create(name="new", created_by=UUID(int=0))
            assert replica.read(lambda alias: Vendor.objects.using(alias).count()) == 1
    with context.tenant(acme):
        assert replica.read(lambda alias: Vendor.objects.using(alias).count()) == 0


def test_a_query_that_takes_too_long_is_not_asked_twice(
    standby: Standby, acme: TenantIdentity
) -> None:
    asked: list[str] = []

    def slow(alias: str) -> None:
        asked.append(alias)
        with connections[alias].cursor() as cursor:
            cursor.execute("SET statement_timeout = 50; SELECT pg_sleep(20)")

    with context.tenant(acme), pytest.raises(DatabaseError, match="statement timeout"):
        replica.read(slow)
    assert asked == ["replica"]


@pytest.mark.parametrize(
    ("port_of", "problem"),
    [
        pytest.param(lambda: 9, "cannot be asked", id="away"),
        pytest.param(lambda: settings.DATABASES["default"]["PORT"], "not a standby", id="primary"),
    ],
)
def test_what_is_no_replica_is_not_asked_and_the_doctor_says_why(
    system: Installation, acme: TenantIdentity, port_of: Callable[[], int], problem: str
) -> None:
    gather(system, acme)
    client = reader(make_auditor(acme))
    with reached_at(port_of(), OPTIONS={"connect_timeout": 2}):
        assert shown(client) == {"acme"}
        with context.operator():
            assert replica.read(lambda alias: alias) == "default"
        (finding,) = replica.find_problems()
        assert problem in finding.problem


def test_one_that_dies_in_the_middle_is_replaced_by_the_primary(
    standby: Standby, system: Installation, acme: TenantIdentity
) -> None:
    gather(system, acme)
    client = reader(make_auditor(acme))
    standby.catch_up()
    assert shown(client) == {"acme"}
    with context.operator():
        assert replica.read(where) == ("replica", True)
        standby.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        assert replica.read(where) == ("default", False)
    assert shown(client) == {"acme"}
    wait_until(answers_at_the_replica, "it is asked again")


def test_another_clusters_standby_is_refused() -> None:
    marks = replica.Marks()
    here = replica.Position(cluster="1", is_standby=False, position=10)
    there = replica.Position(cluster="2", is_standby=True, position=10)
    assert replica.problem_of(here, there, marks, at=0.0, bound=1) == (
        "it is a server of another cluster"
    )


def test_without_a_replica_the_primary_answers(acme: TenantIdentity) -> None:
    assert "replica" not in connections.settings
    with context.tenant(acme):
        assert replica.read(lambda alias: alias) == "default"
    assert replica.find_problems() == []
    assert connection.alias == "default"
