"""What is kept, in Redis: one round trip to ask, one to keep.

An entry says of which version of its entity it is. A version is a random name rather than a number, so that
one which Redis has lost never comes back as that of something old. All times are those of Redis: clocks of
machines differ.
"""

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared_apps.core.caching.names import Name, Standing
from shared_apps.core.caching.tiers import FRESH_SHARE, JITTER, Tier

COMPUTING_SECONDS: Final = 30
"""For so long who computes is waited for, if they do not say that they have ended."""
WRITING_SECONDS: Final = 60
"""After which a writer that has not said how it ended counts as one that has committed and died."""

FRESH, OLD, YOURS, OTHERS = 0, 1, 2, 3

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# Entry, lock, version, writers; a new version, a token, for how long to compute. The answer: what there is,
# the version, the value.
_ASK = f"""{_NOW}
local version = redis.call('GET', KEYS[3])
if redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now) > 0 or not version then
    version = ARGV[1]
    redis.call('SET', KEYS[3], version)
end
local kept = redis.call('HMGET', KEYS[1], 'version', 'fresh_until', 'value')
local is_kept = kept[1] == version
if is_kept then
    local fresh_until = tonumber(kept[2])
    if fresh_until == 0 or now < fresh_until then return {{{FRESH}, version, kept[3]}} end
end
local mine = version .. ':' .. ARGV[2]
local holder = redis.call('GET', KEYS[2])
-- Who computes an earlier version is nobody to wait for.
if not holder or string.sub(holder, 1, #version) ~= version then
    redis.call('SET', KEYS[2], mine, 'PX', ARGV[3])
    return {{{YOURS}, version, false}}
end
if is_kept then return {{{OLD}, version, kept[3]}} end
return {{{OTHERS}, version, false}}
"""
# Entry, lock, version; the version that was read before, the token, the value, how long it is fresh and kept.
_KEEP = f"""{_NOW}
if redis.call('GET', KEYS[2]) == ARGV[1] .. ':' .. ARGV[2] then redis.call('DEL', KEYS[2]) end
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
local fresh_until = 0
if ARGV[4] ~= '0' then fresh_until = now + ARGV[4] end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'fresh_until', fresh_until, 'value', ARGV[3])
if ARGV[5] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return 1
"""
_RELEASE = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)
_WRITING = f"{_NOW}\nreturn redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])"
# Version, writers; a new version, the writer.
_CHANGED = """
redis.call('SET', KEYS[1], ARGV[1])
return redis.call('ZREM', KEYS[2], ARGV[2])
"""

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Asked:
    """`state` is one of FRESH, OLD, YOURS (nothing; compute it), OTHERS (somebody does already)."""

    state: int
    version: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Store:
    """Each method raises redis.RedisError."""

    url: str
    timeout: float
    """Seconds that a connection and an answer may take."""

    @property
    def client(self) -> Any:
        return _connected(self.url, self.timeout)["client"]

    def ask(self, name: Name, *, token: str) -> Asked:
        state, version, value = self._call(
            "ask",
            [name.entry, name.lock, name.standing.version, name.standing.writers],
            [_new_version(), token, COMPUTING_SECONDS * 1000],
        )
        return Asked(int(state), version.decode(), value)

    def keep(self, name: Name, *, asked: Asked, token: str, value: bytes, tier: Tier) -> bool:
        """False: the entity has changed meanwhile, and nothing is kept. Whoever waits is let go."""
        fresh, whole = _milliseconds(tier)
        keys = [name.entry, name.lock, name.standing.version]
        return bool(self._call("keep", keys, [asked.version, token, value, fresh, whole]))

    def release(self, name: Name, *, asked: Asked, token: str) -> None:
        """It was not computed: somebody else shall."""
        self._call("release", [name.lock], [f"{asked.version}:{token}"])

    def writing(self, standing: Standing, *, writer: str) -> None:
        """Somebody is about to change the entity's rows, in a transaction."""
        self._call("writing", [standing.writers], [writer, WRITING_SECONDS * 1000])

    def changed(self, standing: Standing, *, writer: str) -> None:
        """It is committed: what is kept is old from now on, whatever it is."""
        self._call("changed", [standing.version, standing.writers], [_new_version(), writer])

    def not_changed(self, standing: Standing, *, writer: str) -> None:
        self.client.zrem(standing.writers, writer)

    def _call(self, script: str, keys: list[str], arguments: list[Any]) -> Any:
        return _connected(self.url, self.timeout)[script](keys=keys, args=arguments)


@lru_cache(maxsize=8)
def _connected(url: str, timeout: float) -> dict[str, Any]:
    # Once more, at once: a connection may have ended while it lay in the pool. Who did not answer in
    # time is not asked again.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    client = redis.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=retry
    )
    scripts = {
        "ask": _ASK, "keep": _KEEP, "release": _RELEASE, "writing": _WRITING, "changed": _CHANGED,
    }  # fmt: skip
    return {"client": client, **{name: client.register_script(t) for name, t in scripts.items()}}


def _milliseconds(tier: Tier) -> tuple[int, int]:
    """How long it is fresh, and after how long nothing is left; 0 for ever."""
    if tier.seconds is None:
        return 0, 0
    whole = int(tier.seconds * 1000 * (1 - _chance.uniform(0, JITTER)))
    return int(whole * FRESH_SHARE), whole


def _new_version() -> str:
    return uuid4().hex
