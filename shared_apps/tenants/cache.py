"""Django's cache on Redis, a separate one for each tenant and for the operator.

Everything that takes a key goes through `make_key`, so it is scoped by the context: get and set and
their relatives, counters, locks, sets, patterns. `clear()` empties the present context's part only.
Django's asynchronous methods run these in threads that carry the context along.

What is kept by one alias of CACHES is apart from the others' by `KEY_PREFIX`.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from django.conf import settings
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from django_redis.util import CacheKey
from prometheus_client import Counter

from shared_apps.core import redis_keys, spaces
from shared_apps.core.errors import TenantContextRequired

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOKUPS = Counter("freehold_cache_lookups_total", "Reads of the cache, by result.", ("result",))
_BATCH = 1000
_MISSING, _UNKNOWN = object(), object()
_DOWN = (redis.ConnectionError, redis.TimeoutError)


def make_key(key: str, key_prefix: str, version: int | str) -> str:
    """CACHES' KEY_FUNCTION. Raises TenantContextRequired."""
    return f"{redis_keys.scoped(key_prefix)}{version}:{key}"


def reverse_key(stored: str) -> str:
    """CACHES' REVERSE_KEY_FUNCTION: the key as it was given."""
    return stored.split(":", 5)[5]


class TenantClient(DefaultClient):
    def make_key(self, key: Any, version: Any = None, prefix: Any = None) -> CacheKey:
        """As the base class; a key that was made in another context is refused.

        Raises:
            TenantContextRequired: so is one that is used on nobody's behalf.
        """
        made = super().make_key(key, version=version, prefix=self._own(prefix))
        if not made.startswith(redis_keys.scoped(self._backend.key_prefix)):
            raise TenantContextRequired
        return made

    def make_pattern(self, pattern: Any, version: Any = None, prefix: Any = None) -> str:
        made: str = super().make_pattern(pattern, version=version, prefix=self._own(prefix))
        return made

    def clear(self, client: Any = None) -> None:
        """Remove everything of the present context, whatever its version.

        What is set while this runs may stay or go; what was there before is gone afterwards, for
        all processes. It looks through the names of all tenants in portions: nobody waits, but a
        hundred thousand names may take a second.
        """
        client = client or self.get_client(write=True)
        _remove(client, redis_keys.scoped(self._backend.key_prefix))

    def _own(self, prefix: str | None) -> str:
        """Django's KEY_PREFIX is the alias' name here and no choice of a caller."""
        if prefix not in (None, self._backend.key_prefix):
            raise ValueError("a cache key takes no prefix of its own")
        return self._backend.key_prefix


def forget_everything() -> None:
    """Remove everything that the present context has in this installation's Redis, whatever its use."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        _remove(client, f"{redis_keys.installation('*')}:{spaces.current()}:")


def _remove(client: Any, beginning: str) -> None:
    # Nothing in `beginning` has a meaning in a pattern: see redis_keys.
    batch: list[Any] = []
    for name in client.scan_iter(match=f"{beginning}*", count=_BATCH):
        batch.append(name)
        if len(batch) >= _BATCH:
            client.unlink(*batch)
            batch.clear()
    if batch:
        client.unlink(*batch)


class TenantCache(RedisCache[Any]):
    """For what must not be lost or forgotten silently: without Redis every call raises (503)."""


class ForgivingTenantCache(TenantCache):
    """For what can be computed again: without Redis nothing is found and nothing is kept.

    Removing and counting still raise. A value that could not be removed would come back with Redis,
    and a count that was not taken is a wrong count.
    """

    def get(self, key: Any, default: Any = None, *args: Any, **kwargs: Any) -> Any:
        work = super().get
        found = _or(_UNKNOWN, lambda: work(key, _MISSING, *args, **kwargs))
        if found is _UNKNOWN or found is _MISSING:
            LOOKUPS.labels("miss" if found is _MISSING else "unavailable").inc()
            return default
        LOOKUPS.labels("hit").inc()
        return found

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        return _or({}, lambda: super(ForgivingTenantCache, self).get_many(*args, **kwargs))

    def has_key(self, *args: Any, **kwargs: Any) -> Any:
        return _or(False, lambda: super(ForgivingTenantCache, self).has_key(*args, **kwargs))

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return _or(False, lambda: super(ForgivingTenantCache, self).set(*args, **kwargs))

    def set_many(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """The keys that were not kept."""
        failed = [*data]
        work = super().set_many
        return _or(failed, lambda: work(data, *args, **kwargs) or [])

    def add(self, *args: Any, **kwargs: Any) -> Any:
        """False, as for a value that was there already: who asks whether they are first, is not."""
        return _or(False, lambda: super(ForgivingTenantCache, self).add(*args, **kwargs))

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return _or(False, lambda: super(ForgivingTenantCache, self).touch(*args, **kwargs))


def _or(instead: T, work: Callable[[], T]) -> T:
    try:
        return work()
    except _DOWN:
        logger.warning("The cache is not available", exc_info=True)
        return instead
