"""Messages of RFC 5424 with their length ahead, over each way that there is."""

import json
import socket

import pytest

from tests.chains import ODD_TEXTS, append
from tests.receivers import Authority, syslog_stream, unframed
from tests.sinks import Sinks


@pytest.mark.parametrize("scheme", ["syslog+tls", "syslog+tcp"])
def test_a_stream_of_messages(sinks: Sinks, authority: Authority, scheme: str) -> None:
    context = authority.context() if scheme == "syslog+tls" else None
    with syslog_stream(context) as (port, connections):
        sinks.add(sinks.one, "siem", f"{scheme}://localhost:{port}")
        sinks.add(sinks.other, "siem", f"{scheme}://localhost:{port}", entry_format="ocsf")

        assert sinks.send() == 20

    batches = [unframed(stream) for stream in connections]
    assert [len(batch) for batch in batches] == [10, 10]
    (ours,) = [batch for batch in batches if b'"class_uid"' not in batch[0]]
    assert (
        ours[1].partition(b"\xef\xbb\xbf")[0]
        == b"<110>1 2026-11-01T01:00:00.123456Z localhost freehold - UPDATE - "
    )
    entries = [json.loads(message.partition(b"\xef\xbb\xbf")[2]) for message in ours]
    assert [entry["record_id"] for entry in entries] == list(ODD_TEXTS)
    assert {entry["tenant_id"] for entry in entries} == {str(sinks.one)}


def test_datagrams(sinks: Sinks) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        sinks.add(sinks.one, "siem", f"syslog+udp://127.0.0.1:{receiver.getsockname()[1]}")

        assert sinks.send() == 10

        messages = [receiver.recv(65536) for _ in range(10)]
    assert [json.loads(m.partition(b"\xef\xbb\xbf")[2])["sequence"] for m in messages] == list(
        range(1, 11)
    )


def test_an_entry_that_is_no_datagram_is_said_and_not_cut(sinks: Sinks) -> None:
    append(sinks.one, ["large"], filling=["x" * 70_000])
    sinks.add(sinks.one, "siem", "syslog+udp://127.0.0.1:9")

    assert sinks.send() == 0

    assert "bytes is no datagram; use syslog+tls" in (sinks.get(sinks.one, "siem").last_error or "")


@pytest.mark.parametrize("scheme", ["syslog+tls", "syslog+tcp"])
def test_who_leaves_before_the_end_has_not_taken_it(
    sinks: Sinks, authority: Authority, scheme: str
) -> None:
    """A receiver that accepts, reads nothing, and never ends its side."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sinks.add(sinks.one, "siem", f"{scheme}://localhost:{listener.getsockname()[1]}")

        assert sinks.send(patience=1) == 0

    sink = sinks.get(sinks.one, "siem")
    assert (sink.sequence, sink.failures) == (0, 1)
