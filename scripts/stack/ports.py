"""Choose TCP ports on 127.0.0.1."""

import random
import socket
from pathlib import Path

# Below the range from which kernels take ports for outgoing connections: a port from that range
# can be gone again when the server is started the next time.
_CANDIDATES = range(15_000, 32_000)
# TCP_LISTEN as /proc/net/tcp prints it.
_LISTENING = "0A"


def is_free(port: int, *, address: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do; else a connection that has just been closed makes a port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
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


def loopback_addresses() -> list[str]:
    """127.0.0.1, and ::1 where the machine has it: browsers may take either for localhost."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def listener(port: int) -> str | None:
    """Name the process that listens on a port, where the system tells."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        for row in rows:
            local, state, inode = row[1], row[3], row[9]
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                return _holder_of_socket(inode)
    return None


def _holder_of_socket(inode: str) -> str | None:
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) == f"socket:[{inode}]":
                process = descriptor.parents[1]
                return f"{(process / 'comm').read_text().strip()}, process {process.name}"
        except OSError:  # Gone, or another user's.
            continue
    return None
