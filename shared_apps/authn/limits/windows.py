"""Moving windows in Redis: several at once, exactly, whatever the number of processes.

One script looks at all windows of an attempt and takes a place in every one or in none, by the clock
of Redis. A place can be given back. That is why it is ours: libraries count one window at a time
and keep what was counted, so that 500 people who come through one address in the morning and all know
their passwords would use up what is meant for those who guess.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@dataclass(frozen=True)
class Window:
    key: str
    most: int
    """Places; 0 lets nobody in."""
    seconds: int


@dataclass(frozen=True)
class Taken:
    """A place in each of some windows."""

    id: str
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Full:
    retry_after: int
    """Whole seconds after which there is a place again, at least 1."""


# Sorted sets of attempts by microseconds. `now` is not the caller's: clocks of machines differ.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait = 0
for i, key in ipairs(KEYS) do
    local most, span = tonumber(ARGV[2 * i]), ARGV[2 * i + 1] * 1000000
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - span)
    local taken = redis.call('ZCARD', key)
    if taken >= most then
        local first = redis.call('ZRANGE', key, taken - most, taken - most, 'WITHSCORES')
        local free = span
        if first[2] then free = first[2] + span - now end
        wait = math.max(wait, free)
    end
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[1])
    redis.call('PEXPIRE', key, ARGV[2 * i + 1] * 1000)
end
return 0
"""

# All that the first `ARGV[1]` sets hold, out of every set.
_GIVE_BACK_WITH_EARLIER = """
for i = 1, tonumber(ARGV[1]) do
    for _, attempt in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
        for _, key in ipairs(KEYS) do redis.call('ZREM', key, attempt) end
    end
end
"""


@lru_cache(maxsize=4)
def _client(url: str) -> Any:
    # Once more, at once: a connection may have ended while it lay in the pool.
    return redis.Redis.from_url(
        url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 1)
    )


def client() -> Any:
    return _client(settings.REDIS_URL)


def take(windows: Sequence[Window]) -> Taken | Full:
    """Raises redis.RedisError: nothing is known, so nobody may be let through."""
    attempt = uuid.uuid4().hex
    numbers = [number for window in windows for number in (window.most, window.seconds)]
    wait = client().eval(
        _TAKE, len(windows), *(window.key for window in windows), attempt, *numbers
    )
    if wait:
        return Full(retry_after=max(1, -(-int(wait) // 1_000_000)))
    return Taken(id=attempt, windows=tuple(windows))


def give_back(taken: Taken) -> None:
    """As if it had not been. Raises redis.RedisError."""
    with client().pipeline(transaction=False) as pipeline:
        for window in taken.windows:
            pipeline.zrem(window.key, taken.id)
        pipeline.execute()


def give_back_with_earlier(taken: Taken, *, own: int) -> None:
    """The attempt and all that the first `own` of its windows still hold, out of all of them.

    Raises:
        redis.RedisError
    """
    keys = [window.key for window in taken.windows]
    client().eval(_GIVE_BACK_WITH_EARLIER, len(keys), *keys, own)
