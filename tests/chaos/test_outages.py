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
    running: System, workers: tuple[list[httpx.Client], list[httpx.Client]], how: str
) -> None:
    end: Callable[..., None] = running.kill if how == "kill" else running.shut_down

    with under_load(*workers) as load:
        for _ in range(2):
            await_more(running, load.successes)
            refused = load.count(503)
            end(running.postgres)
            await_more(running, lambda: load.count(503), than=refused)
            visitor = running.visitor("acme")
            ready = visitor.get(f"http://127.0.0.1:{running.port}/health/ready")
            sign_in = visitor.post("auth/login/", json=running.credentials("acme", "viewer"))
            assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "unavailable")
            assert_problem(sign_in, 503, "database_unavailable")
            running.start_again(running.postgres)
        await_more(running, load.successes)

    load.assert_refusals_are_clear()
    assert_books_are_whole(running, load)
    assert_worker_works(running)


def test_connections_are_cut_at_any_moment(
    running: System, workers: tuple[list[httpx.Client], list[httpx.Client]]
) -> None:
    with under_load(*workers) as load:
        for _ in range(_CUTS):
            running.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename IN ('freehold_app', 'freehold_relay', 'freehold_audit_writer')"
            )
            time.sleep(0.05)
        await_more(running, load.successes)

    assert load.count(503) > 20
    load.assert_refusals_are_clear()
    assert_books_are_whole(running, load)


def test_redis_goes_away_and_whoever_is_signed_in_notices_nothing(
    running: System, workers: tuple[list[httpx.Client], list[httpx.Client]]
) -> None:
    viewer = running.person("globex", "viewer")
    with under_load(*workers) as load:
        running.kill(running.redis)
        running.wait_until(lambda: load.successes() > 100, seconds=_RECOVERY_SECONDS)
        seen = viewer.get("invoices/")
        # Nobody counts how often somebody guesses now, so nobody new comes in.
        refused = viewer.post(
            "auth/login/", json={"email": "nobody@globex.example", "password": "guess"}
        )
        ready = viewer.get(f"http://127.0.0.1:{running.port}/health/ready")
        running.start_again(running.redis)

    assert load.failures == []
    assert [answer for answer in load.answers if not answer.is_success] == []
    assert seen.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (503, "auth_backend_unavailable")
    assert (ready.status_code, ready.json()["checks"]["redis"]) == (503, "unavailable")
    assert_books_are_whole(running, load)
    assert_worker_works(running)


def await_more(running: System, count: Callable[[], int], *, than: int | None = None) -> None:
    """Until it is twenty more than now, or than it was."""
    before = count() if than is None else than
    running.wait_until(lambda: count() > before + 20, seconds=_RECOVERY_SECONDS)


def assert_books_are_whole(running: System, load: Load) -> None:
    """What was confirmed is there, nothing is there in part, and the audit trail has all of it once."""
    written = running.ask(
        "SELECT i.id::text, i.number, count(t.id) FROM t_acme.invoicing_invoice i"
        " LEFT JOIN t_acme.invoicing_invoiceitem t ON t.invoice_id = i.id"
        " WHERE i.vendor_id = %s GROUP BY i.id",
        load.vendor,
    )
    assert {items for *_, items in written} == {3}
    assert load.drafted <= {invoice for invoice, *_ in written}
    assert load.issued.items() <= {(invoice, number) for invoice, number, _ in written}
    numbers = running.ask(
        "SELECT c.last_number, min(i.number), max(i.number), count(i.number), count(DISTINCT i.number)"
        " FROM t_acme.invoicing_invoicenumbercounter c"
        " JOIN t_acme.invoicing_invoice i USING (year) GROUP BY year, c.last_number"
    )
    assert all(row == (row[0], 1, row[0], row[0], row[0]) for row in numbers), numbers
    assert_audited_once(running)


def assert_audited_once(running: System) -> None:
    def waiting() -> int:
        (row,) = running.ask("SELECT count(*) FROM t_acme.audit_outbox")
        return int(row[0])

    running.wait_until(lambda: waiting() == 0, seconds=_RECOVERY_SECONDS)
    (entries,) = running.ask(
        "SELECT count(*), count(DISTINCT record_id) FROM audit.entry"
        " WHERE entity_type = 'invoicing.invoice' AND operation = 'CREATE'"
        " AND tenant_id = (SELECT tenant_id FROM audit.entry WHERE record_id = %s LIMIT 1)",
        running.ask("SELECT id::text FROM t_acme.invoicing_invoice LIMIT 1")[0][0],
        database="freehold_audit",
    )
    (invoices,) = running.ask("SELECT count(*), count(*) FROM t_acme.invoicing_invoice")
    assert entries == invoices


def assert_worker_works(running: System) -> None:
    """A task sent now is carried out by the worker that was there before."""
    task = "from config.celery import app; app.loader.import_default_modules();"
    task += "sent = app.tasks['authn.delete_expired_sessions'].apply_async(headers={'scope': 'operator'});"
    done = running.in_product(task + "sent.get(timeout=30)")
    assert done.returncode == 0, done.stderr
