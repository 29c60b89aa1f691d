"""A proxy in front that nobody has named in TRUSTED_PROXIES, told to the doctor by whoever serves its requests.

Behind one all people have its address, in the limits and in the trail, and HTTPS is not seen as such.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from functools import cache
from ipaddress import ip_address
from typing import Any, Final

import redis
from django.conf import settings

from shared_apps.core import redis_keys
from shared_apps.core.doctor import Finding

logger = logging.getLogger(__name__)

_HEADERS: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")
_REMEMBERED_SECONDS: Final = 24 * 60 * 60
_BETWEEN_SECONDS: Final = 600.0
_next_at = 0.0


def notice(meta: Mapping[str, object]) -> None:
    """Remember whom a request came from that says it was passed on; a process does so now and then.

    Of peers on networks of one's own only: from elsewhere anybody can say so, who means to be listed here.
    """
    global _next_at
    if settings.TRUSTED_PROXIES or not any(name in meta for name in _HEADERS):
        return
    now = time.monotonic()
    if now < _next_at or not (peer := _own_peer(str(meta.get("REMOTE_ADDR") or ""))):
        return
    _next_at = now + _BETWEEN_SECONDS
    try:
        _client().set(_key(), peer, ex=_REMEMBERED_SECONDS)
    except redis.RedisError:
        logger.debug("Whose requests are passed on was not remembered", exc_info=True)


def find() -> Iterator[Finding]:
    """Raises redis.RedisError: nothing is known."""
    if settings.TRUSTED_PROXIES:
        return
    peer: Any = _client().get(_key())
    if peer:
        yield Finding(
            "proxies",
            f"{peer.decode()} passes requests on, and TRUSTED_PROXIES is empty: all people have its"
            " address, and HTTPS is not seen",
            "name it in TRUSTED_PROXIES of the web process (docs/sign-in.md), or find out who it is",
        )


def _own_peer(peer: str) -> str:
    try:
        address = ip_address(peer)
    except ValueError:
        return ""
    return str(address) if address.is_private else ""


def _key() -> str:
    return redis_keys.installation("unnamed-proxy")


@cache
def _client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
