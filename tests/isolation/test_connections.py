"""Whatever way leads to PostgreSQL, and however a statement is sent, it runs for its own tenant."""

import asyncio
import contextlib
import itertools
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import NotSupportedError, OperationalError, connection, connections, transaction
from django.db.models import Count
from django.db.utils import DatabaseError, ProgrammingError
from psycopg.pq import TransactionStatus

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import ContextOrderError, TenantContextRequired
from tenant_apps.invoicing.models import Vendor
from tests.concurrency import at_once
from tests.isolation.modes import DIRECT, MODES, POOL, Mode, Poolers, connected

Names = dict[UUID, str]
WHO = "SELECT current_user, current_schema()"


def who(cursor: Any) -> Any:
    cursor.execute(WHO)
    return cursor.fetchone()


def is_at_home(tenant: TenantIdentity) -> bool:
    """A statement of this tenant's runs as its role in its schema."""
    with context.tenant(tenant), connection.cursor() as cursor:
        return bool(who(cursor) == (tenant.role, tenant.schema))


def test_statements_follow_the_context(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex, acme, acme, globex):
        assert is_at_home(tenant)
    with context.operator(), connection.cursor() as cursor:
        assert who(cursor) == (settings.DATABASES["default"]["USER"], "public")


def test_statements_in_a_transaction_follow_it_too(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with transaction.atomic(durable=True):
        for tenant in (acme, globex, globex, acme):
            assert is_at_home(tenant)


def test_one_connection_serves_tenants_in_turn_from_two_threads(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    def read(tenant: TenantIdentity) -> set[str]:
        seen: set[str] = set()
        for turn in range(100):
            with context.tenant(tenant):
                if turn % 10:
                    seen.update(Vendor.objects.values_list("name", flat=True))
                else:
                    with transaction.atomic():
                        seen.update(Vendor.objects.values_list("name", flat=True))
        return seen

    tenants = (acme, globex, acme, globex)
    results = at_once([lambda tenant=tenant: read(tenant) for tenant in tenants])
    assert results == [{vendors[tenant.id]} for tenant in tenants]


def test_executemany_writes_into_its_own_tenant(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    for tenant in (globex, acme):
        with context.tenant(tenant), connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE invoicing_vendor SET name = %s || ' 100%%' WHERE name = %s",
                [(f"renamed by {tenant.slug}", name) for name in vendors.values()],
            )
    for tenant in (acme, globex):
        with context.tenant(tenant):
            assert Vendor.objects.get().name == f"renamed by {tenant.slug} 100%"


def test_copy_reads_and_writes_its_own_tenant(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    assert is_at_home(acme)
    with (
        context.tenant(globex),
        connection.cursor() as cursor,
        cursor.copy("COPY (SELECT name, current_user FROM invoicing_vendor) TO STDOUT") as copy,
    ):
        assert list(copy.rows()) == [(vendors[globex.id], globex.role)]
    assert is_at_home(acme)


def test_copy_from_writes_into_its_own_tenant(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    with context.tenant(globex):
        row = Vendor.objects.values().get()
        Vendor.objects.all().delete()
    columns = ", ".join(f'"{Vendor._meta.get_field(name).column}"' for name in row)
    with (
        context.tenant(globex),
        connection.cursor() as cursor,
        cursor.copy(f"COPY invoicing_vendor ({columns}) FROM STDIN") as copy,
    ):
        copy.write_row(list(row.values()))
    with context.tenant(globex):
        assert Vendor.objects.get().id == row["id"]
    with context.tenant(acme):
        assert Vendor.objects.get().name == vendors[acme.id]


def test_stream_reads_its_own_tenant_or_refuses(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    for tenant in (acme, globex):
        with context.tenant(tenant), connection.cursor() as cursor:
            rows = list(cursor.stream("SELECT name FROM invoicing_vendor WHERE name > %s", [""]))
            assert rows == [(vendors[tenant.id],)]
    with context.tenant(acme), connection.cursor() as cursor:
        late = cursor.stream("SELECT name FROM invoicing_vendor")
        with context.tenant(globex), pytest.raises(RuntimeError, match="another context"):
            next(late)


def test_iterator_reads_its_own_tenant(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    for tenant in (acme, globex):
        with context.tenant(tenant):
            assert [v.name for v in Vendor.objects.iterator()] == [vendors[tenant.id]]
            with transaction.atomic():
                rows = Vendor.objects.iterator(chunk_size=1)
                with context.tenant(acme if tenant is globex else globex):
                    assert Vendor.objects.exists()
                assert [v.name for v in rows] == [vendors[tenant.id]]


def test_rows_of_a_server_side_cursor_are_fetched_in_its_own_context_only(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    with transaction.atomic():
        with context.tenant(acme):
            cursor = connection.chunked_cursor()
            cursor.execute("SELECT name FROM invoicing_vendor")
        with context.tenant(globex), pytest.raises(RuntimeError, match="another context"):
            cursor.fetchmany(1)
        with context.tenant(acme):
            assert cursor.fetchmany(1) == [(vendors[acme.id],)]
            cursor.close()


def test_rows_of_a_server_side_cursor_are_iterated_in_its_own_context_only(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    with transaction.atomic(), context.tenant(acme), connection.chunked_cursor() as cursor:
        cursor.execute("SELECT name FROM invoicing_vendor")
        assert list(cursor) == [(vendors[acme.id],)]
        cursor.execute("SELECT name FROM invoicing_vendor")
        with context.tenant(globex), pytest.raises(RuntimeError, match="another context"):
            next(iter(cursor))


def test_a_named_cursor_outside_of_a_transaction_is_refused_where_it_would_be_shared(
    mode: Mode, acme: TenantIdentity
) -> None:
    with context.tenant(acme):
        connection.ensure_connection()
        with connection.create_cursor("mine") as cursor:
            if mode.is_per_transaction:
                with pytest.raises(psycopg.NotSupportedError, match="inside transaction"):
                    cursor.execute(WHO)
            else:
                cursor.execute(WHO)
                assert cursor.fetchall() == [(acme.role, acme.schema)]


def test_callproc_runs_in_the_context(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex):
        with context.tenant(tenant), connection.cursor() as cursor:
            cursor.callproc("current_schema")
            assert cursor.fetchone() == (tenant.schema,)


@pytest.mark.parametrize("statement", ["VACUUM invoicing_vendor", "CREATE INDEX CONCURRENTLY i ON invoicing_vendor (name)"])  # fmt: skip
def test_a_statement_that_cannot_run_in_a_transaction(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, statement: str
) -> None:
    assert is_at_home(globex)
    with context.tenant(acme), connection.cursor() as cursor:
        if mode.is_per_transaction:
            with pytest.raises(NotSupportedError, match="MIGRATION_DATABASE_URL"):
                cursor.execute(statement)
        else:
            # It reaches acme's table, which belongs to the migration login: a warning or a refusal.
            with contextlib.suppress(ProgrammingError):
                cursor.execute(statement)
    assert is_at_home(acme)


def test_several_statements_in_one_text_give_their_results_in_order(
    mode: Mode, acme: TenantIdentity
) -> None:
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT current_user")
        assert cursor.fetchone() == (1,)
        assert cursor.nextset()
        assert cursor.fetchone() == (acme.role,)


def test_an_execute_wrapper_sees_the_statement_alone(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    seen: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, state: Any) -> Any:
        seen.append(sql)
        if len(seen) == 1:
            assert is_at_home(globex)
        return execute(sql, params, many, state)

    with connection.execute_wrapper(wrapper):
        assert is_at_home(acme)
    assert seen == [WHO, WHO]


def test_a_savepoint_rollback_takes_back_nothing_that_counts(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme), transaction.atomic():
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            assert is_at_home(globex)
            raise ZeroDivisionError
        assert is_at_home(acme)
        assert is_at_home(globex)


def test_a_failure_after_a_switch_inside_a_savepoint(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme), transaction.atomic():
        assert is_at_home(acme)
        with (
            context.tenant(globex),
            contextlib.suppress(ProgrammingError),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT nonsense")
        assert is_at_home(acme)


def test_a_rollback_through_psycopg_itself(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with transaction.atomic():
        assert is_at_home(acme)
        with contextlib.suppress(ZeroDivisionError), connection.connection.transaction():
            assert is_at_home(globex)
            raise ZeroDivisionError
        assert is_at_home(globex)
    with contextlib.suppress(ZeroDivisionError), connection.connection.transaction():
        assert is_at_home(acme)
        raise ZeroDivisionError
    assert is_at_home(acme)


def test_transaction_control_in_raw_sql(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for ending in ("COMMIT", "ROLLBACK", "/* as an editor sends it */ ROLLBACK"):
        with context.operator(), connection.cursor() as cursor:
            cursor.execute("BEGIN")
            assert is_at_home(acme)
            cursor.execute("SAVEPOINT here")
            assert is_at_home(globex)
            cursor.execute("ROLLBACK TO SAVEPOINT here")
            assert is_at_home(globex)
            cursor.execute(ending)
        assert is_at_home(globex)
        assert is_at_home(acme)


def test_close_in_the_middle_of_a_transaction(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    assert is_at_home(globex)
    with contextlib.suppress(DatabaseError), context.tenant(acme), transaction.atomic():
        Vendor.objects.update(name="lost")
        connection.close()
    for _ in range(5):
        assert is_at_home(globex)
        connection.close()
    with context.tenant(acme):
        assert Vendor.objects.get().name == vendors[acme.id]


def test_a_connection_that_the_server_ended(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with psycopg.connect(settings.ADMIN_DATABASE_URL, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])
    with contextlib.suppress(OperationalError):
        is_at_home(globex)
    connection.close_if_unusable_or_obsolete()
    assert is_at_home(globex)


def test_autocommit_off(mode: Mode, acme: TenantIdentity, globex: TenantIdentity) -> None:
    connection.set_autocommit(False)
    try:
        assert is_at_home(acme)
        assert is_at_home(globex)
        connection.rollback()
        assert is_at_home(globex)
        connection.commit()
        assert is_at_home(acme)
        connection.rollback()
    finally:
        connection.set_autocommit(True)
    assert is_at_home(globex)


def test_a_failed_commit(mode: Mode, acme: TenantIdentity, globex: TenantIdentity) -> None:
    assert is_at_home(globex)
    connection.set_autocommit(False)
    try:
        assert is_at_home(acme)
        with pytest.raises(ProgrammingError), context.tenant(acme), connection.cursor() as cursor:
            cursor.execute("SELECT nonsense")
        connection.rollback()
    finally:
        connection.set_autocommit(True)
    assert is_at_home(acme)


def test_the_async_orm_in_ten_tasks_at_once(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    async def read(tenant: TenantIdentity) -> set[str]:
        with context.tenant(tenant):
            seen = {(await Vendor.objects.aget()).name for _ in range(5)}
            await asyncio.sleep(0)
            async for vendor in Vendor.objects.all():
                seen.add(vendor.name)
        return seen

    async def all_at_once() -> list[set[str]]:
        return await asyncio.gather(*(read(tenant) for tenant in tenants))

    tenants = [acme, globex] * 5
    assert asyncio.run(all_at_once()) == [{vendors[tenant.id]} for tenant in tenants]
    connections.close_all()


@pytest.mark.parametrize(
    "mode", [mode for mode in MODES if mode.psycopg_pool], ids=lambda mode: mode.name, indirect=True
)
def test_a_connection_given_back_keeps_nothing_and_serves_nobody(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """It hands nothing on: whoever takes it out of the pool is told, or gets no answer."""
    for leave in (lambda: None, connection.close):
        with contextlib.suppress(DatabaseError), context.tenant(acme), transaction.atomic():
            assert is_at_home(acme)
            leave()
        assert is_at_home(acme)
    connection.close()

    whose = "SELECT current_user, current_schema(), current_setting('freehold.attribution')"
    for taken in [
        connection.pool.getconn() for _ in range(connection.pool.get_stats()["pool_size"])
    ]:
        assert taken.pgconn.transaction_status == TransactionStatus.IDLE
        with pytest.raises(TenantContextRequired):
            taken.execute("SELECT 1")
        taken.autocommit = True
        for tenant in (globex, acme):
            who = attribution.Attribution(system=tenant.slug)
            with context.tenant(tenant), attribution.acting(who):
                row = taken.execute(whose).fetchone()
            assert row == (tenant.role, tenant.schema, who.as_json)
        taken.reset_context()
        connection.pool.putconn(taken)


_LEFT: dict[str, tuple[str, str]] = {
    "setting": ("SET work_mem = '77MB'", "SELECT current_setting('work_mem') = '77MB'"),
    "setting by a function": (
        "SELECT set_config('freehold.kept', 'acme', false)",
        "SELECT coalesce(current_setting('freehold.kept', true), '') <> ''",
    ),
    "setting in a second statement": (
        "SELECT 1; SET work_mem = '77MB'",
        "SELECT current_setting('work_mem') = '77MB'",
    ),
    "lock": (
        "SELECT pg_advisory_lock(77)",
        "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77",
    ),
    "prepared statement": (
        "PREPARE kept AS SELECT name FROM invoicing_vendor",
        "SELECT count(*) > 0 FROM pg_prepared_statements",
    ),
    "channel": ("LISTEN acme", "SELECT count(*) > 0 FROM pg_listening_channels()"),
    "cursor": (
        "DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM invoicing_vendor",
        "SELECT count(*) > 0 FROM pg_cursors WHERE name = 'kept'",
    ),
    "time zone": ("SET TIME ZONE 'Asia/Tokyo'", "SELECT current_setting('TimeZone') <> 'UTC'"),
}


@pytest.mark.parametrize("left", _LEFT)
@pytest.mark.parametrize("mode", [DIRECT, POOL], ids=lambda mode: mode.name, indirect=True)
def test_what_a_statement_leaves_in_a_session_meets_no_other_tenant(
    left: str, mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    leave, is_there = _LEFT[left]
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute(leave)
        cursor.execute(is_there)
        assert cursor.fetchone() == (True,)
    _end_work(mode)
    with context.tenant(globex), connection.cursor() as cursor:
        cursor.execute(is_there)
        assert cursor.fetchone() == (False,)
        assert who(cursor) == (globex.role, globex.schema)


@pytest.mark.parametrize("mode", [DIRECT, POOL], ids=lambda mode: mode.name, indirect=True)
def test_nobody_makes_a_temporary_table(mode: Mode, acme: TenantIdentity) -> None:
    """Its name would be found before the one of the next tenant."""
    for scope in (context.tenant(acme), context.operator()):
        refused = pytest.raises(ProgrammingError, match="permission denied to create temporary")
        with scope, connection.cursor() as cursor, refused:
            cursor.execute("CREATE TEMPORARY TABLE invoicing_vendor (name text)")


@pytest.mark.parametrize("mode", [POOL], ids=lambda mode: mode.name, indirect=True)
def test_a_pooled_connection_is_kept_whether_it_was_reset_or_not(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    """What the ORM sends leaves nothing, so that nothing is sent when the connection goes back."""
    servers: set[int] = set()
    for tenant in (acme, globex):
        with context.tenant(tenant), transaction.atomic():
            vendor = Vendor.objects.get_or_create(name=vendors[tenant.id])[0]
            Vendor.objects.filter(name__icontains="vendor").aggregate(n=Count("id"))
            Vendor.objects.bulk_update([vendor], ["name"])
            with contextlib.suppress(ZeroDivisionError), transaction.atomic():
                Vendor.objects.all().delete()
                raise ZeroDivisionError
            vendor.save()
        assert not connection.connection.session.has_leftovers
        servers.add(connection.connection.info.backend_pid)
        _end_work(mode)
        with context.tenant(tenant), connection.cursor() as cursor:
            cursor.execute("SET work_mem = '77MB'")
        assert connection.connection.session.has_leftovers
        servers.add(connection.connection.info.backend_pid)
        _end_work(mode)
    assert len(servers) == 1


def test_a_login_with_a_time_zone_of_its_own_gets_ours_again_after_a_reset(
    acme: TenantIdentity, poolers: Poolers
) -> None:
    """The reset takes back what the connection was told when it was new."""
    login = psycopg.sql.Identifier(settings.DATABASES["default"]["USER"])
    with psycopg.connect(settings.ADMIN_DATABASE_URL, autocommit=True) as admin:
        admin.execute(
            psycopg.sql.SQL("ALTER ROLE {} SET \"TimeZone\" = 'Asia/Tokyo'").format(login)
        )
        try:
            with connected(POOL, poolers):
                told = []
                for _ in range(2):
                    with context.tenant(acme), connection.cursor() as cursor:
                        cursor.execute("SHOW TimeZone")
                        told.append((*cursor.fetchone(), connection.connection.info.backend_pid))
                        cursor.execute("SET work_mem = '77MB'")
                    connection.close()
        finally:
            admin.execute(psycopg.sql.SQL("ALTER ROLE {} RESET ALL").format(login))
    assert [zone for zone, _ in told] == ["UTC", "UTC"]
    assert told[0] == told[1], "the same connection"


@pytest.mark.parametrize("mode", [DIRECT, POOL], ids=lambda mode: mode.name, indirect=True)
def test_a_role_that_is_made_anew_is_told_anew(mode: Mode, acme: TenantIdentity) -> None:
    """A session keeps the number of its role, which its name may outlive."""
    assert is_at_home(acme)
    _end_work(mode)
    again = replace(acme, id=uuid4())
    connection.ensure_connection()
    with context.tenant(again):
        told = connection.connection.session.pending(TransactionStatus.IDLE)
    assert [statement for statement in told if "ROLE" in statement] == [f'SET ROLE "{acme.role}"']


def _end_work(mode: Mode) -> None:
    """What happens between two requests or tasks."""
    if mode.psycopg_pool:
        connection.close()
    else:
        connection.close_if_unusable_or_obsolete()


def test_a_generator_that_enters_a_context_cannot_hand_it_to_another_unnoticed(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    def steps(tenant: TenantIdentity) -> Any:
        with context.tenant(tenant):
            yield
            yield

    first, second = steps(acme), steps(globex)
    for step in (first, second, first):
        next(step)
    for leave in (lambda: next(first), second.close):
        with pytest.raises(ContextOrderError):
            leave()
    assert context.current() is None


def test_a_path_that_something_else_changed_is_noticed_in_the_answer(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    """PostgreSQL reports it from 18 on. Before, the role still refuses what the path leads to."""
    with context.tenant(acme), connection.cursor() as cursor:
        is_reported = connection.connection.info.server_version >= 180000
        if is_reported and not mode.is_per_transaction:
            with pytest.raises(OperationalError, match="search_path"):
                cursor.execute("SELECT set_config('search_path', %s, false)", [globex.schema])
            assert connection.connection.pgconn.transaction_status == TransactionStatus.UNKNOWN
        else:
            cursor.execute("SELECT set_config('search_path', %s, false)", [globex.schema])
            with contextlib.suppress(ProgrammingError):
                assert Vendor.objects.get().name == vendors[acme.id]
    connection.close()
    assert is_at_home(acme)


def test_a_path_that_the_code_sets_does_not_outlive_its_statement(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {globex.schema}")
        assert who(cursor) == (acme.role, acme.schema)


def test_the_time_zone_holds_for_every_client_of_a_pooler(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    zones = itertools.cycle(["Asia/Tokyo", "UTC"])
    with (
        context.tenant(acme),
        connection.cursor() as cursor,
        psycopg.connect(**_address()) as other,
    ):
        for _ in range(4):
            other.execute("SELECT set_config('TimeZone', %s, false)", [next(zones)])
            other.commit()
            cursor.execute("SHOW TimeZone")
            assert cursor.fetchone() == ("UTC",)


def _address() -> dict[str, Any]:
    parameters = connection.get_connection_params()
    return {name: parameters[name] for name in ("host", "port", "dbname", "user", "password")}
