"""Entries as messages of RFC 5424, each with its length ahead (RFC 6587), over TLS, TCP or UDP.

The protocol has no answer. Over TLS and TCP a batch is one connection, and taken is what was read to its
end: we end our side and wait until the other side ends its own. Over UDP nobody knows.
"""

import socket
import ssl
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC

from django.conf import settings

from shared_apps.audit.errors import DeliveryError
from shared_apps.audit.exports.entries import StoredEntry
from shared_apps.audit.exports.rendering import as_event, as_line
from shared_apps.audit.sinks import destinations
from shared_apps.audit.sinks.destinations import Destination
from shared_apps.audit.sinks.records import Sink

_PRIORITY = 13 * 8 + 6  # facility log audit, severity informational
_LARGEST_DATAGRAM = 60_000


def send(
    sink: Sink, destination: Destination, entries: Sequence[StoredEntry], *, seconds: float
) -> None:
    """`seconds` may pass between two steps forward.

    Raises:
        DeliveryError: whether it was taken is not known, or it was not.
    """
    messages = [message(entry, entry_format=sink.format) for entry in entries]
    try:
        if destination.scheme == "syslog+udp":
            _send_datagrams(destination, messages, seconds)
        else:
            _send_stream(destination, b"".join(b"%d %b" % (len(m), m) for m in messages), seconds)
    except OSError as error:
        reason = str(error).strip() or type(error).__name__
        raise DeliveryError(f"{destination.host}: {reason}") from error


def message(entry: StoredEntry, *, entry_format: str) -> bytes:
    """One message; the entry is its text, in UTF-8 as the mark ahead of it says."""
    at = entry.created_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    host = settings.PUBLIC_HOST.partition(":")[0] or "-"
    head = f"<{_PRIORITY}>1 {at} {host} freehold - {entry.operation} - \ufeff"
    text = as_event(entry) if entry_format == "ocsf" else as_line(entry)
    return head.encode() + text.rstrip(b"\n")


def _send_datagrams(destination: Destination, messages: Sequence[bytes], seconds: float) -> None:
    if (largest := max(map(len, messages))) > _LARGEST_DATAGRAM:
        raise DeliveryError(f"an entry of {largest} bytes is no datagram; use syslog+tls")
    address = destinations.resolve(destination, kind=socket.SOCK_DGRAM)[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        connection.settimeout(seconds)
        connection.connect((address, destination.port))
        for each in messages:
            connection.send(each)


def _send_stream(destination: Destination, data: bytes, seconds: float) -> None:
    with ExitStack() as stack:
        connection = stack.enter_context(destinations.connect(destination))
        connection.settimeout(seconds)
        if destination.scheme == "syslog+tls":
            connection = stack.enter_context(destinations.encrypted(connection, destination))
        connection.sendall(data)
        if isinstance(connection, ssl.SSLSocket):
            _end_encrypted(connection)
        else:
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def _end_encrypted(connection: ssl.SSLSocket) -> None:
    try:
        connection.unwrap()
    except (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError):
        pass  # it has read our end, and left without a word of its own
