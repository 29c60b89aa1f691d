"""Mails that anybody can ask for: so many from one network, the rest is passed over in silence.

The answer is the same whoever is asked for and whatever becomes of it, so that nobody learns by it who
has an account. All the work is done in the background, and so takes no time of the request's.
"""

import ipaddress
import logging
from typing import Final

from django.core.cache import cache

from shared_apps.core.queue import enqueue

logger = logging.getLogger(__name__)

RESET_TASK: Final = "authn.mail_password_reset"
REGISTRATION_TASK: Final = "authn.mail_registration"
MOST_PER_NETWORK: Final = 20
PER_SECONDS: Final = 10 * 60
_LONGEST_ADDRESS = 254


def ask_for(task: str, *, email: str, ip: str | None) -> None:
    """In the context of whose host was asked."""
    if _count(task, ip) > MOST_PER_NETWORK:
        logger.warning("Too many mails were asked for from one network: %s", task)
        return
    enqueue(task, email=email[:_LONGEST_ADDRESS])


def _count(task: str, ip: str | None) -> int:
    key = f"{task}:{_network(ip)}"
    cache.add(key, 0, timeout=PER_SECONDS)
    return int(cache.incr(key))


def _network(ip: str | None) -> str:
    """An IPv6 customer has 2^64 addresses and counts once."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "unknown"
    length = 64 if address.version == 6 else 32
    return str(ipaddress.ip_network((address, length), strict=False))
