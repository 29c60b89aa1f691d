"""A batch of entries as one HTTPS request. Taken is what is answered with 2xx.

Not one of the clients that follow redirects, read proxies from the environment and resolve names
themselves: each of these would lead past the address that was judged.
"""

import hashlib
import hmac
import http.client
import socket
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

from shared_apps.audit.errors import DeliveryError
from shared_apps.audit.exports.entries import StoredEntry
from shared_apps.audit.exports.rendering import as_event, as_line
from shared_apps.audit.sinks import destinations
from shared_apps.audit.sinks.destinations import Destination
from shared_apps.audit.sinks.records import Sink
from shared_apps.core.deadlines import deadline


class _Connection(http.client.HTTPConnection):
    """Over a socket that is open and encrypted already."""

    def __init__(self, destination: Destination, connected: socket.socket) -> None:
        super().__init__(destination.host, None if destination.port == 443 else destination.port)
        self.sock = connected


def send(
    sink: Sink,
    destination: Destination,
    entries: Sequence[StoredEntry],
    *,
    secret: str,
    at: datetime,
    seconds: float,
) -> None:
    """`seconds` are for all of it, however slowly the other side takes and answers.

    Raises:
        DeliveryError: whether it was taken is not known, or it was not.
    """
    body = _body(sink, entries)
    moment = str(int(at.timestamp()))
    headers = {
        "Content-Type": "application/json" if sink.format == "ocsf" else "application/x-ndjson",
        "User-Agent": "Freehold",
        "Freehold-Sink": str(sink.id),
        "Freehold-Signature": f"t={moment},v1={signature(secret, moment, body)}",
        # The same entries again have the same key, in whichever batch each uid tells it.
        "Idempotency-Key": f"{sink.id}:{entries[0].sequence}-{entries[-1].sequence}",
    }
    with (
        destinations.connect(destination) as plain,
        plain.dup() as watched,
        deadline(watched, seconds) as is_late,
    ):
        try:
            status = _post(destination, plain, body, headers, seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error).strip() or type(error).__name__
            raise DeliveryError(f"{destination.host}: {reason}") from error
    if is_late.is_set():
        # What was cut off may read like an answer.
        raise DeliveryError(f"{destination.host} took longer than {seconds:.0f} s")
    if not 200 <= status < 300:
        raise DeliveryError(f"{destination.host} answered {status}")


def signature(secret: str, moment: str, body: bytes) -> str:
    """HMAC-SHA256 of the moment, a point and the body, in hexadecimal."""
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def _post(
    destination: Destination,
    plain: socket.socket,
    body: bytes,
    headers: dict[str, str],
    seconds: float,
) -> int:
    plain.settimeout(seconds)
    with (
        destinations.encrypted(plain, destination) as connected,
        closing(_Connection(destination, connected)) as connection,
    ):
        connection.request("POST", destination.path, body, headers)
        # What it says beside the status is not read.
        return connection.getresponse().status


def _body(sink: Sink, entries: Sequence[StoredEntry]) -> bytes:
    if sink.format == "ocsf":
        return b"[" + b",".join(as_event(entry).rstrip(b"\n") for entry in entries) + b"]"
    return b"".join(map(as_line, entries))
