"""A limit for a whole exchange over a socket, which the timeout of each read and write is not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deadline(connection: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Ends also what comes a byte at a time. The event tells that it did: what was cut off may read like an answer."""
    is_late = threading.Event()

    def shut() -> None:
        is_late.set()
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has just ended by itself

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield is_late
    finally:
        timer.cancel()
