"""Entries reach a webhook at least once, signed, and no other tenant's; one that fails stops no other."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from django.core.management import call_command

from shared_apps.audit.exports import checking
from shared_apps.audit.sinks import health, records
from tests.chains import append, audit_administrator
from tests.receivers import Authority, answer, webhook
from tests.sinks import SECRET, Sinks

Entries = Callable[[bytes], list[dict[str, Any]]]


def test_each_destination_has_its_tenants_entries_and_no_others(
    sinks: Sinks, authority: Authority, entries_of: Entries, tmp_path: Path
) -> None:
    with webhook(authority.context()) as one, webhook(authority.context()) as other:
        sinks.add(sinks.one, "siem", one.url)
        sinks.add(sinks.other, "siem", other.url, entry_format="ocsf", after=7)

        assert sinks.send() == 13
        append(sinks.one, ["later"])
        assert sinks.send() == 1
        assert sinks.send() == 0

    lines = entries_of(one.bodies)
    assert [line["sequence"] for line in lines] == list(range(1, 12))
    assert {line["tenant_id"] for line in lines} == {str(sinks.one)}
    # Each can be proven where it arrived: all that is missing is a manifest.
    path = tmp_path / "received"
    path.write_bytes(one.bodies)
    assert [p.what for p in checking.check(path).problems] == [
        "the end is missing: no manifest was found"
    ]
    (request,) = other.received
    events = json.loads(request.body)
    assert [event["metadata"]["sequence"] for event in events] == [8, 9, 10]
    assert {event["metadata"]["tenant_uid"] for event in events} == {str(sinks.other)}
    assert str(sinks.one).encode() not in other.bodies


def test_a_request_is_signed_and_says_what_it_is(sinks: Sinks, authority: Authority) -> None:
    with webhook(authority.context()) as receiver:
        sink = sinks.add(sinks.one, "siem", receiver.url)
        sinks.send()

    (request,) = receiver.received
    assert request.path == "/in?tenant=1"
    assert request.headers["Content-Type"] == "application/x-ndjson"
    assert request.headers["Idempotency-Key"] == f"{sink.id}:1-10"
    moment, _, given = request.headers["Freehold-Signature"].removeprefix("t=").partition(",v1=")
    expected = hmac.new(SECRET.encode(), f"{moment}.".encode() + request.body, hashlib.sha256)
    assert given == expected.hexdigest()
    assert abs(int(moment) - time.time()) < 600


def _drip(connection: socket) -> None:
    """A byte now and then, for longer than anybody waits."""
    try:
        for byte in b"HTTP/1.1 200 O" + b"K" * 300:
            connection.sendall(bytes([byte]))
            time.sleep(0.2)
    except OSError:
        pass


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer(b"HTTP/1.1 500 Oops\r\n\r\n"), "answered 500"),
        (answer(b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\n\r\n"), "answered 429"),
        (answer(b"SSH-2.0-OpenSSH_9.6\r\n"), "SSH-2.0"),
        (answer(b"HTTP/1.1 200\x00\xff"), "localhost"),
        (answer(b""), "closed connection"),
        (answer(b"HTTP/1.1 100 Continue\r\n\r\n" * 5), "localhost"),
        (_drip, "localhost"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_sent_again_and_the_others_go_on(
    sinks: Sinks,
    authority: Authority,
    entries_of: Entries,
    said: Callable[[socket], None],
    reason: str,
) -> None:
    with webhook(authority.context()) as bad, webhook(authority.context()) as good:
        sinks.add(sinks.one, "bad", bad.url)
        sinks.add(sinks.one, "good", good.url)
        sinks.add(sinks.other, "good", good.url)
        bad.answer = said

        assert sinks.send(patience=5 if said is _drip else 15) == 20

        failing = sinks.get(sinks.one, "bad")
        assert (failing.sequence, failing.failures, failing.state) == (0, 1, "failing")
        assert reason in (failing.last_error or "")
        assert len(good.received) == 2
        assert sinks.get(sinks.other, "good").state == "working"
        with webhook(authority.context()) as repaired:
            bad.answer = good.answer
            sinks.command("enable", "bad", sinks.one)
            assert sinks.send() == 10
        assert repaired.received == []
    first, again = bad.received
    assert [e["uid"] for e in entries_of(first.body)] == [e["uid"] for e in entries_of(again.body)]
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]


def test_no_redirect_is_followed(sinks: Sinks, authority: Authority) -> None:
    with webhook(authority.context()) as first, webhook(authority.context()) as second:
        first.answer = answer(f"HTTP/1.1 307 There\r\nLocation: {second.url}\r\n\r\n".encode())
        sinks.add(sinks.one, "siem", first.url)

        assert sinks.send() == 0

    assert len(first.received) == 1
    assert second.received == []
    assert "answered 307" in (sinks.get(sinks.one, "siem").last_error or "")


def test_a_destination_that_was_down_gets_everything_afterwards(
    sinks: Sinks, authority: Authority, entries_of: Entries
) -> None:
    with webhook(authority.context()) as receiver:
        url = receiver.url
        sinks.add(sinks.one, "siem", url, after=4)
    port = int(url.split(":")[2].split("/")[0])

    assert sinks.send() == 0
    assert "does not answer" in (sinks.get(sinks.one, "siem").last_error or "")
    append(sinks.one, ["meanwhile"] * 300)
    with webhook(authority.context(), port=port) as receiver:
        assert sinks.send() == 0  # it is not its turn yet
        sinks.command("enable", "siem", sinks.one)
        assert sinks.send() == 306

    assert [e["sequence"] for e in entries_of(receiver.bodies)] == list(range(5, 311))
    assert len(receiver.received) == 2


def test_after_many_failures_it_is_disabled_and_everybody_is_told(
    sinks: Sinks, authority: Authority
) -> None:
    with webhook(authority.context()) as receiver:
        receiver.answer = answer(b"HTTP/1.1 503 No\r\n\r\n")
        sinks.add(sinks.one, "siem", receiver.url)
        with audit_administrator() as admin:
            for _ in range(records.MOST_FAILURES + 3):
                sinks.send()
                admin.execute("UPDATE audit.sink SET retry_at = now()")

        assert len(receiver.received) == records.MOST_FAILURES
        assert sinks.get(sinks.one, "siem").state == "disabled"
        (finding,) = health.find_problems()
        assert finding.problem.startswith("is disabled after 20 failures, 10 entries wait")
        receiver.answer = answer(b"HTTP/1.1 204 Fine\r\n\r\n")
        # The remedy, as it is said.
        call_command(*finding.remedy.partition("manage.py ")[2].split(), stdout=StringIO())
        assert sinks.send() == 10
    assert health.find_problems() == []


def test_an_internal_address_is_refused_before_anything_is_sent(
    sinks: Sinks, authority: Authority, settings: Any
) -> None:
    settings.AUDIT_SINK_NETWORKS = []
    with webhook(authority.context()) as receiver:
        sinks.add(sinks.one, "siem", receiver.url)

        assert sinks.send() == 0

    assert receiver.received == []
    assert "AUDIT_SINK_NETWORKS" in (sinks.get(sinks.one, "siem").last_error or "")


@pytest.mark.parametrize("name", ["other.example", None])
def test_who_shows_another_certificate_gets_nothing(
    sinks: Sinks, authority: Authority, tmp_path: Path, name: str | None
) -> None:
    """Of another name, or of an authority that nobody believes."""
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    context = authority.context(name) if name else Authority(stranger).context()
    with webhook(context) as receiver:
        sinks.add(sinks.one, "siem", receiver.url)

        assert sinks.send() == 0

    assert receiver.received == []
    assert "certificate verify failed" in (sinks.get(sinks.one, "siem").last_error or "")


def test_a_secret_that_is_gone_sends_nothing_unsigned(sinks: Sinks, authority: Authority) -> None:
    with webhook(authority.context()) as receiver:
        sinks.add(sinks.one, "siem", receiver.url)
        sinks.secret.unlink()

        assert sinks.send() == 0

    assert receiver.received == []
    assert "cannot be read" in (sinks.get(sinks.one, "siem").last_error or "")


def test_entries_that_are_gone_are_not_passed_over(sinks: Sinks, authority: Authority) -> None:
    with webhook(authority.context()) as receiver, audit_administrator() as admin:
        sinks.add(sinks.one, "siem", receiver.url)
        admin.execute("DELETE FROM audit.entry WHERE tenant_id = %s", [sinks.one])

        assert sinks.send() == 0

    assert sinks.get(sinks.one, "siem").sequence == 0
    assert "entries 1 to 10 are not there" in (sinks.get(sinks.one, "siem").last_error or "")
