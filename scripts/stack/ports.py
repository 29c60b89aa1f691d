"""Choose TCP ports on 127.0.0.1."""

import random
import socket

# Below the range from which kernels take ports for outgoing connections: a port from that range
# can be gone again when the server is started the next time.
_CANDIDATES = range(15_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do; else a connection that has just been closed makes a port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(*, preferred: int | None = None) -> int:
    """The preferred port if nobody has it, else any."""
    if preferred is not None and is_free(preferred):
        return preferred
    for port in random.sample(_CANDIDATES, k=200):
        if is_free(port):
            return port
    raise OSError("no free port on 127.0.0.1")
