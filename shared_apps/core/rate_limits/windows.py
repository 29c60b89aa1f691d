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
from redis.backoff import NoBackoff
from redis.retry import Retry


@dataclass(frozen=True, slots=True)
class Window:
    key: str
    most: int
    """Places; 0 lets nobody in."""
    seconds: int
    most_of_strangers: int | None = None
    """Places for whom `known` does not name; None: as many."""


@dataclass(frozen=True, slots=True)
class Level:
    """How full a window is."""

    left: int
    """Places that are still free."""
    next_in: int
    """Whole seconds after which the oldest attempt leaves it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A place in each of some windows."""

    id: str
    windows: tuple[Window, ...]
    levels: tuple[Level, ...]
    """In the order of `windows`."""


@dataclass(frozen=True, slots=True)
class Full:
    retry_after: int
    """Whole seconds after which there is a place again, at least 1."""
    levels: tuple[Level, ...]
    """Of the windows that were asked for, in their order."""


# Sorted sets of attempts by microseconds, behind the key of who is known. `now` is not the caller's: clocks
# of machines differ. The answer: for how long there is no place, and of each window how many are left and
# when the next one comes.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stranger = 1 - redis.call('EXISTS', KEYS[1])
local wait = 0
local answer = {0}
for i = 1, #KEYS - 1 do
    local key, most, span = KEYS[i + 1], tonumber(ARGV[3 * i - 1 + stranger]), ARGV[3 * i + 1] * 1000000
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - span)
    local taken = redis.call('ZCARD', key)
    -- Who leaves next; of a full window the one whose leaving makes a place.
    local index = math.max(0, taken - most)
    local first = redis.call('ZRANGE', key, index, index, 'WITHSCORES')
    local free = span
    if first[2] then free = first[2] + span - now end
    if taken >= most then wait = math.max(wait, free) end
    answer[2 * i] = math.max(0, most - taken)
    answer[2 * i + 1] = free
end
answer[1] = wait
if wait > 0 then return answer end
for i = 1, #KEYS - 1 do
    redis.call('ZADD', KEYS[i + 1], now, ARGV[1])
    redis.call('PEXPIRE', KEYS[i + 1], ARGV[3 * i + 1] * 1000)
    answer[2 * i] = answer[2 * i] - 1
end
return answer
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


@dataclass(frozen=True, slots=True)
class _Connected:
    redis: Any
    take: Any
    give_back_with_earlier: Any


@lru_cache(maxsize=8)
def _connected(url: str, timeout: float) -> _Connected:
    # Once more, at once: a connection may have ended while it lay in the pool. Who did not answer in
    # time is not asked again.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    client = redis.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=retry
    )
    return _Connected(
        client, client.register_script(_TAKE), client.register_script(_GIVE_BACK_WITH_EARLIER)
    )


@dataclass(frozen=True, slots=True)
class RedisWindows:
    """Each method raises redis.RedisError: then nothing is known."""

    url: str
    timeout: float
    """Seconds that a connection and an answer may take."""

    @property
    def client(self) -> Any:
        return _connected(self.url, self.timeout).redis

    def take(self, windows: Sequence[Window], *, known: str = "") -> Taken | Full:
        """A place in each; the key `known` is there if whoever asks is no stranger."""
        attempt = uuid.uuid4().hex
        numbers = []
        for window in windows:
            of_strangers = window.most_of_strangers
            strangers = window.most if of_strangers is None else of_strangers
            numbers += [window.most, strangers, window.seconds]
        keys = [known, *(window.key for window in windows)]
        take = _connected(self.url, self.timeout).take
        wait, *found = take(keys=keys, args=[attempt, *numbers])
        levels = tuple(
            Level(left=int(left), next_in=whole_seconds(int(free)))
            for left, free in zip(found[::2], found[1::2], strict=True)
        )
        if wait:
            return Full(retry_after=whole_seconds(int(wait)), levels=levels)
        return Taken(id=attempt, windows=tuple(windows), levels=levels)

    def give_back(self, taken: Taken) -> None:
        """As if it had not been."""
        with self.client.pipeline(transaction=False) as pipeline:
            for window in taken.windows:
                pipeline.zrem(window.key, taken.id)
            pipeline.execute()

    def give_back_with_earlier(
        self, taken: Taken, *, own: int, known: str = "", known_seconds: int = 0
    ) -> None:
        """The attempt and all that the first `own` of its windows still hold, out of all of them.

        Whoever took it is no stranger for so long, by the key `known`.
        """
        keys = [known, *(window.key for window in taken.windows)]
        give_back = _connected(self.url, self.timeout).give_back_with_earlier
        give_back(keys=keys, args=[own, known_seconds])


def whole_seconds(microseconds: int) -> int:
    """Rounded up: whoever waits for so long finds a place."""
    return max(1, -(-microseconds // 1_000_000))
