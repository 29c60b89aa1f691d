"""Something between us and a directory that sees all octets, counts connections, and can be away."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Somebody in between answers the first request, which is StartTLS, as a server does that knows none.
_PROTOCOL_ERROR = bytes.fromhex("300c020101 7807 0a0102 0400 0400")


class Tap:
    """Passes everything on between `port` of 127.0.0.1 and a server there."""

    def __init__(self, server: int, *, refuses_tls: bool = False) -> None:
        self.port = 0
        self._refuses_tls = refuses_tls
        self.connections = 0
        self.sent = bytearray()
        """By whoever connected, all connections together."""
        self._server = server
        self._listen()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Connections are refused meanwhile."""
        self.close()
        try:
            yield
        finally:
            self._listen()

    def close(self) -> None:
        # Closing alone would leave the thread in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._server))
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            if self._refuses_tls:
                self.sent += client.recv(65_536)
                client.sendall(_PROTOCOL_ERROR)
            back = threading.Thread(target=_pump, args=(server, client, bytearray()), daemon=True)
            back.start()
            _pump(client, server, self.sent)
            back.join()


def _pump(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    with suppress(OSError):
        while octets := source.recv(65_536):
            seen += octets
            target.sendall(octets)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
