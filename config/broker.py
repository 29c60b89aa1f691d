"""How Celery reaches Redis."""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Transport
from redis.exceptions import ResponseError


class PatientTransport(Transport):
    """A Redis that has no disk left for its log refuses commands (MISCONF). A worker sits that out as it
    does when Redis is away, instead of ending."""

    connection_errors = (*Transport.connection_errors, ResponseError)


def use() -> None:
    aliases: dict[str, Any] = TRANSPORT_ALIASES
    aliases["redis"] = aliases["rediss"] = "config.broker:PatientTransport"
