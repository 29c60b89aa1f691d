"""Two processes do not send the same, and one that is killed passes nothing over."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Any

from tests.chains import audit_administrator
from tests.receivers import Authority, accept, webhook
from tests.sinks import Sinks
from tests.waiting import wait_until

Entries = Callable[[bytes], list[dict[str, Any]]]
_ROOT = Path(__file__).parents[5]


@contextmanager
def _serving(authority: Authority) -> Iterator["subprocess.Popen[bytes]"]:
    """`manage.py audit sink run`, as it is started on a server."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "audit", "sink", "run"],
        cwd=_ROOT,
        env={
            **os.environ,
            "AUDIT_SINK_NETWORKS": "127.0.0.0/8,::1/128",
            "AUDIT_SINK_AUTHORITIES": str(authority.file),
        },
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_killed_before_the_answer_it_sends_again(
    sinks: Sinks, authority: Authority, entries_of: Entries
) -> None:
    with webhook(authority.context()) as receiver:
        sinks.add(sinks.one, "siem", receiver.url)
        sinks.add(sinks.other, "siem", receiver.url)
        with _serving(authority) as process:

            def kill(connection: socket) -> None:
                os.kill(process.pid, signal.SIGKILL)

            receiver.answer = kill
            assert process.wait(60) == -signal.SIGKILL
        assert sinks.get(sinks.one, "siem").sequence == 0
        receiver.answer = accept

        with _serving(authority) as process:
            wait_until(lambda: _are_done(sinks), "everything is sent", timeout=60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    _assert_nothing_is_missing(sinks, entries_of(receiver.bodies))


def test_killed_between_the_answer_and_the_record_it_sends_again(
    sinks: Sinks, authority: Authority, entries_of: Entries
) -> None:
    with webhook(authority.context()) as receiver, audit_administrator() as admin:
        sinks.add(sinks.one, "siem", receiver.url)
        sinks.add(sinks.other, "siem", receiver.url)
        # Whoever wants to write down what was taken waits for this.
        with admin.transaction(), _serving(authority) as process:
            admin.execute("SELECT FROM audit.sink FOR UPDATE")
            with audit_administrator() as onlooker:
                wait_until(lambda: _is_waiting(onlooker), "it waits for the row", timeout=60)
                process.kill()
                assert process.wait() == -signal.SIGKILL
                # What it has asked for would still be done: the whole machine dies.
                onlooker.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'freehold sinks'"
                )
        assert {sinks.get(t, "siem").sequence for t in (sinks.one, sinks.other)} == {0}
        sent = len(receiver.received)

        assert sinks.send() == 20

    assert len(receiver.received) == sent + 2
    _assert_nothing_is_missing(sinks, entries_of(receiver.bodies))


def test_a_second_process_waits_and_takes_over(sinks: Sinks, authority: Authority) -> None:
    first, second = sinks.deliverer(), sinks.deliverer()
    with webhook(authority.context()) as receiver:
        working = threading.Thread(target=first.run)
        working.start()
        sinks.add(sinks.one, "siem", receiver.url)
        wait_until(lambda: first.delivered == 10, "the first sends", timeout=60)
        waiting = threading.Thread(target=second.run_once)
        waiting.start()
        sinks.add(sinks.other, "siem", receiver.url)
        wait_until(lambda: first.delivered == 20, "still the first", timeout=60)
        assert waiting.is_alive()
        assert second.delivered == 0

        first.stop()
        working.join(60)
        waiting.join(60)

    assert not waiting.is_alive()
    assert (first.delivered, second.delivered, len(receiver.received)) == (20, 0, 2)


def test_who_was_overtaken_records_nothing(sinks: Sinks, authority: Authority) -> None:
    """Stopped while it sent, so long that another went on: its late answer moves nothing back."""
    with webhook(authority.context()) as receiver:
        sinks.add(sinks.one, "siem", receiver.url)

        def overtake(connection: socket) -> None:
            with audit_administrator() as admin:
                admin.execute("UPDATE audit.sink SET sequence = 7")
            receiver.answer = accept
            accept(connection)

        receiver.answer = overtake

        assert sinks.send() == 3

    assert sinks.get(sinks.one, "siem").sequence == 10


def _are_done(sinks: Sinks) -> bool:
    return {sinks.get(t, "siem").sequence for t in (sinks.one, sinks.other)} == {10}


def _is_waiting(onlooker: Any) -> bool:
    row = onlooker.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'freehold sinks' AND wait_event_type = 'Lock'"
    ).fetchone()
    return bool(row[0])


def _assert_nothing_is_missing(sinks: Sinks, entries: list[dict[str, Any]]) -> None:
    for tenant in (sinks.one, sinks.other):
        uids = {e["sequence"]: e["uid"] for e in entries if e["tenant_id"] == str(tenant)}
        assert sorted(uids) == list(range(1, 11))
        assert len(set(uids.values())) == 10
