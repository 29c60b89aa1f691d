"""How much is kept, by whose it is and by tier."""

from dataclasses import dataclass
from typing import Any

from shared_apps.core.caching.names import pattern_of
from shared_apps.core.caching.tiers import Tier

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Size:
    tier: Tier
    entries: int
    bytes: int


def sizes(client: Any, *, space: str) -> list[Size]:
    """Of one space (core/spaces.py), tiers without anything left out.

    It looks through all names of Redis in portions: nobody waits for it, but it takes its time.

    Raises:
        redis.RedisError: nobody can tell.
    """
    found = [_size(client, tier, pattern_of(tier, space=space)) for tier in Tier]
    return [size for size in found if size.entries]


def _size(client: Any, tier: Tier, pattern: str) -> Size:
    # SCAN may tell a name twice.
    names = sorted(set(client.scan_iter(match=pattern, count=_BATCH)))
    total = 0
    for start in range(0, len(names), _BATCH):
        with client.pipeline(transaction=False) as pipeline:
            for name in names[start : start + _BATCH]:
                pipeline.memory_usage(name)
            # One that has ended meanwhile has none.
            total += sum(used or 0 for used in pipeline.execute())
    return Size(tier, len(names), total)
