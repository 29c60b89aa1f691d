"""What is kept in Redis, seen and aged from outside; Redis' clock is nobody's to set."""

from typing import Any

import redis
from django.conf import settings

from shared_apps.core import redis_keys, spaces
from shared_apps.core.caching import Tier, names
from shared_apps.core.context import TenantIdentity


def entries(client: Any, tenant: TenantIdentity, tier: Tier = Tier.RESULTS) -> list[bytes]:
    return sorted(client.scan_iter(match=names.pattern_of(tier, space=spaces.of(tenant.id))))


def everything(client: Any) -> list[bytes]:
    return sorted(client.scan_iter(match=f"{redis_keys.installation('results')}:*"))


def connect(url: str | None = None) -> Any:
    return redis.Redis.from_url(url or settings.REDIS_URL)


def make_old(client: Any, entry: bytes) -> None:
    """As if it had been kept for so long that it is no longer fresh."""
    client.hset(entry, "fresh_until", 1)
