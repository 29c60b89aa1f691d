"""A way to a server that can fall silent: what is sent is kept back, and no end is told of it."""

import socket
import threading
from contextlib import suppress

_CHUNK = 65536


class Link:
    """Listens on a port of its own and passes on to that of a server."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._is_open = {"there": threading.Event(), "back": threading.Event()}
        self.mend()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *directions: str) -> None:
        """Pass on nothing `there`, `back`, or either way."""
        for direction in directions:
            self._is_open[direction].clear()

    def mend(self) -> None:
        for is_open in self._is_open.values():
            is_open.set()

    def close(self) -> None:
        self._listener.close()
        self.mend()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._server_port)) as server,
        ):
            for end in (client, server):
                # At once, as libpq does: else each small answer is held back for 40 ms.
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            there = threading.Thread(
                target=_pass_on, args=(client, server, self._is_open["there"]), daemon=True
            )
            there.start()
            _pass_on(server, client, self._is_open["back"])
            there.join()


def _pass_on(source: socket.socket, target: socket.socket, is_open: threading.Event) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            is_open.wait()
            target.sendall(data)
    is_open.wait()
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
