"""What the server says while something runs: locks, memory, files. As its superuser."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

_BETWEEN_LOOKS = 0.005  # seconds


@dataclass
class Peak:
    value: int = 0


@contextmanager
def watching_locks(admin_url: str) -> Iterator[Peak]:
    """The most locks in the server's lock table at a time, by looking again and again.

    Locks that a process keeps for itself (the fast path, 16 and more a process) are not in it.
    """
    peak, stop = Peak(), threading.Event()
    with psycopg.connect(admin_url, autocommit=True) as admin:

        def look() -> None:
            while not stop.is_set():
                row = admin.execute("SELECT count(*) FROM pg_locks WHERE NOT fastpath").fetchone()
                peak.value = max(peak.value, row[0] if row else 0)
                stop.wait(_BETWEEN_LOOKS)

        thread = threading.Thread(target=look, name="locks")
        thread.start()
        try:
            yield peak
        finally:
            stop.set()
            thread.join()


def megabytes_of(pid: int) -> float:
    """What a process has for itself: without the buffers that all server processes share."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "RssAnon":
            return int(rest.split()[0]) / 1024
    raise LookupError("the kernel does not say what memory is a process's own")


def facts(admin: "psycopg.Connection[tuple[float | str]]") -> Mapping[str, float]:
    """Of the database that the connection leads to."""
    classes = _number(admin, "SELECT count(*) FROM pg_class")
    catalogue = _number(
        admin,
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
        " WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'",
    )
    size = _number(admin, "SELECT pg_database_size(current_database())")
    oid = _number(admin, "SELECT oid::int FROM pg_database WHERE datname = current_database()")
    row = admin.execute("SHOW data_directory").fetchone()
    assert row is not None
    directory = Path(str(row[0])) / "base" / f"{oid:.0f}"
    return {
        "pg_class": classes,
        "catalogue MB": round(catalogue / 1e6),
        "database MB": round(size / 1e6),
        "files": sum(1 for _ in directory.iterdir()),
    }


def _number(admin: "psycopg.Connection[tuple[float | str]]", query: str) -> float:
    row = admin.execute(query).fetchone()  # type: ignore[call-overload]  # literals of this file
    assert row is not None
    return float(row[0])
