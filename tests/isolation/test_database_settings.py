"""How the application's own connection is set up, seen from the server and on the wire."""

import tempfile
from collections.abc import Callable
from uuid import UUID

import psycopg
from django.db import connection, transaction

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.isolation.modes import Mode


def test_the_driver_is_psycopg_3_without_prepared_statements(acme: TenantIdentity) -> None:
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert connection.pg_version >= 140000
    assert isinstance(connection.connection, psycopg.Connection)
    assert connection.connection.prepare_threshold is None


def test_transactions_are_read_committed(mode: Mode, acme: TenantIdentity) -> None:
    with context.tenant(acme), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("read committed",)


def test_a_read_request_opens_no_transaction_and_makes_no_round_trip_for_its_context(
    acme: TenantIdentity, api: Callable[..., Api], vendors: dict[UUID, str]
) -> None:
    client = api(acme, "viewer")
    client.get("vendors/")
    pgconn = connection.connection.pgconn
    with tempfile.TemporaryFile("w+") as trace:
        pgconn.trace(trace.fileno())
        assert client.get("vendors/").status_code == 200
        pgconn.untrace()
        trace.seek(0)
        sent = [line for line in trace.read().splitlines() if "\tF\t" in line]
    assert not [line for line in sent if "BEGIN" in line]
    # The session, the count and the rows; role and path travel with them.
    assert len(sent) == 3
