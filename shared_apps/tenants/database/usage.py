"""How the pools of connections are used; each process tells of its own."""

from prometheus_client import Gauge

IN_USE = Gauge(
    "freehold_database_connections_in_use",
    "Connections of the pools that are at work.",
    multiprocess_mode="livesum",
)
WAITING = Gauge(
    "freehold_database_connections_awaited",
    "How many wait for a connection of a pool.",
    multiprocess_mode="livesum",
)
