"""A server goes away under load and comes back: clear refusals, nothing half-written, no help needed."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.chaos.load import Load, under_load
from tests.chaos.problems import assert_problem
from tests.chaos.system import System

_RECOVERY_SECONDS = 30.0
_CUTS = 100


@pytest.mark.parametrize("how", ["shut down", "kill"])
def test_postgres_goes_away_and_comes_back(
    system: System, workers: tuple[list[httpx.Client], list[httpx.Client]], how: str
) -> None:
    end: Callable[..., None] = system.kill if how == "kill" else system.shut_down

    with under_load(*workers) as load:
        for _ in range(2):
            worked = load.successes()
            system.wait_until(lambda: load.successes() > worked + 20, seconds=_RECOVERY_SECONDS)  # noqa: B023
            refused = load.count(503)
            end(system.postgres)
            system.wait_until(lambda: load.count(503) > refused + 20, seconds=_RECOVERY_SECONDS)  # noqa: B023
            visitor = system.visitor("acme")
            ready = visitor.get(f"http://127.0.0.1:{system.port}/health/ready")
            sign_in = visitor.post("auth/login/", json=system.credentials("acme", "viewer"))
            assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "unavailable")
            assert_problem(sign_in, 503, "database_unavailable")
            system.start_again(system.postgres)
        worked = load.successes()
        system.wait_until(lambda: load.successes() > worked + 20, seconds=_RECOVERY_SECONDS)

    load.assert_refusals_are_clear()
    assert_books_are_whole(system, load)
    assert_worker_works(system)


def test_connections_are_cut_at_any_moment(
    system: System, workers: tuple[list[httpx.Client], list[httpx.Client]]
) -> None:
    with under_load(*workers) as load:
        for _ in range(_CUTS):
            system.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename IN ('freehold_app', 'freehold_relay', 'freehold_audit_writer')"
            )
            time.sleep(0.05)
        worked = load.successes()
        system.wait_until(lambda: load.successes() > worked + 20, seconds=_RECOVERY_SECONDS)

    assert load.count(503) > 20
    load.assert_refusals_are_clear()
    assert_books_are_whole(system, load)


def test_redis_goes_away_and_nobody_notices(
    system: System, workers: tuple[list[httpx.Client], list[httpx.Client]]
) -> None:
    with under_load(*workers) as load:
        system.kill(system.redis)
        system.wait_until(lambda: load.successes() > 100, seconds=_RECOVERY_SECONDS)
        viewer = system.person("globex", "viewer")
        seen = viewer.get("invoices/")
        ready = viewer.get(f"http://127.0.0.1:{system.port}/health/ready")
        system.start_again(system.redis)

    assert load.failures == []
    assert [answer for answer in load.answers if not answer.is_success] == []
    assert seen.status_code == 200
    assert (ready.status_code, ready.json()["checks"]["redis"]) == (503, "unavailable")
    assert_books_are_whole(system, load)
    assert_worker_works(system)


def assert_books_are_whole(system: System, load: Load) -> None:
    """What was confirmed is there, nothing is there in part, and the audit trail has all of it once."""
    written = system.ask(
        "SELECT i.id::text, i.number, count(t.id) FROM t_acme.invoicing_invoice i"
        " LEFT JOIN t_acme.invoicing_invoiceitem t ON t.invoice_id = i.id"
        " WHERE i.vendor_id = %s GROUP BY i.id",
        load.vendor,
    )
    assert {items for *_, items in written} == {3}
    assert load.drafted <= {invoice for invoice, *_ in written}
    assert load.issued.items() <= {(invoice, number) for invoice, number, _ in written}
    numbers = system.ask(
        "SELECT c.last_number, min(i.number), max(i.number), count(i.number), count(DISTINCT i.number)"
        " FROM t_acme.invoicing_invoicenumbercounter c"
        " JOIN t_acme.invoicing_invoice i USING (year) GROUP BY year, c.last_number"
    )
    assert all(row == (row[0], 1, row[0], row[0], row[0]) for row in numbers), numbers
    assert_audited_once(system)


def assert_audited_once(system: System) -> None:
    def waiting() -> int:
        (row,) = system.ask("SELECT count(*) FROM t_acme.audit_outbox")
        return int(row[0])

    system.wait_until(lambda: waiting() == 0, seconds=_RECOVERY_SECONDS)
    (entries,) = system.ask(
        "SELECT count(*), count(DISTINCT record_id) FROM audit.entry"
        " WHERE entity_type = 'invoicing.invoice' AND operation = 'CREATE'"
        " AND tenant_id = (SELECT tenant_id FROM audit.entry WHERE record_id = %s LIMIT 1)",
        system.ask("SELECT id::text FROM t_acme.invoicing_invoice LIMIT 1")[0][0],
        database="freehold_audit",
    )
    (invoices,) = system.ask("SELECT count(*), count(*) FROM t_acme.invoicing_invoice")
    assert entries == invoices


def assert_worker_works(system: System) -> None:
    """A task sent now is carried out by the worker that was there before."""
    task = "from config.celery import app; app.loader.import_default_modules();"
    task += "sent = app.tasks['authn.delete_expired_sessions'].apply_async(headers={'scope': 'operator'});"
    done = system.in_product(task + "sent.get(timeout=30)")
    assert done.returncode == 0, done.stderr
