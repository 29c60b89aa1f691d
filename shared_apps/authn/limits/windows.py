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
    most_of_strangers: int | None = None
    """Places where nobody is known (`take`); None: as many."""


@dataclass(frozen=True)
class Taken:
    """A place in each of some windows."""

    id: str
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Full:
    retry_after: int
    """Whole seconds after which there is a place again, at least 1."""


# Sorted sets of attempts by microseconds, behind the key of who is known. `now` is not the caller's: clocks
# of machines differ.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stranger = 1 - redis.call('EXISTS', KEYS[1])
local wait = 0
for i = 2, #KEYS do
    local key, most, span = KEYS[i], tonumber(ARGV[3 * i - 4 + stranger]), ARGV[3 * i - 2] * 1000000
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
for i = 2, #KEYS do
    redis.call('ZADD', KEYS[i], now, ARGV[1])
    redis.call('PEXPIRE', KEYS[i], ARGV[3 * i - 2] * 1000)
end
return 0
"""

# All that the first `ARGV[1]` sets hold, out of every set; behind the key of who is known from now on.
_GIVE_BACK_WITH_EARLIER = """
if KEYS[1] ~= '' then redis.call('SET', KEYS[1], 1, 'EX', ARGV[2]) end
for i = 2, ARGV[1] + 1 do
    for _, attempt in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
        for j = 2, #KEYS do redis.call('ZREM', KEYS[j], attempt) end
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


def take(windows: Sequence[Window], *, known: str = "") -> Taken | Full:
    """A place in each; the key `known` is there if whoever asks is no stranger.

    Raises:
        redis.RedisError: nothing is known, so nobody may be let through.
    """
    attempt = uuid.uuid4().hex
    numbers = []
    for window in windows:
        strangers = window.most if window.most_of_strangers is None else window.most_of_strangers
        numbers += [window.most, strangers, window.seconds]
    keys = [known, *(window.key for window in windows)]
    wait = client().eval(_TAKE, len(keys), *keys, attempt, *numbers)
    if wait:
        return Full(retry_after=max(1, -(-int(wait) // 1_000_000)))
    return Taken(id=attempt, windows=tuple(windows))


def give_back(taken: Taken) -> None:
    """As if it had not been. Raises redis.RedisError."""
    with client().pipeline(transaction=False) as pipeline:
        for window in taken.windows:
            pipeline.zrem(window.key, taken.id)
        pipeline.execute()


def give_back_with_earlier(
    taken: Taken, *, own: int, known: str = "", known_seconds: int = 0
) -> None:
    """The attempt and all that the first `own` of its windows still hold, out of all of them.

    Whoever took it is no stranger for so long, by the key `known`.

    Raises:
        redis.RedisError
    """
    keys = [known, *(window.key for window in taken.windows)]
    client().eval(_GIVE_BACK_WITH_EARLIER, len(keys), *keys, own, known_seconds)
