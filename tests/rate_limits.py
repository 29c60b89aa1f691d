"""Limits that a test sets, and time that passes for them without anybody waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import redis
from django.conf import settings
from django.test import override_settings

from shared_apps.core import redis_keys


@contextmanager
def rates(**numbers: int) -> Iterator[None]:
    """In this process, for the block; what is not named stays far away."""
    with override_settings(RATE_LIMITS=replace(settings.RATE_LIMITS, **numbers)):
        yield


def let_pass(seconds: float) -> None:
    """As if everything that was counted had happened so much earlier; Redis' clock is nobody's to set."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in keys(client):
            for attempt, score in client.zrange(key, 0, -1, withscores=True):
                client.zadd(key, {attempt: int(score) - int(seconds * 1_000_000)})


def keys(client: Any) -> list[bytes]:
    return list(client.scan_iter(match=f"{redis_keys.installation('limits-of-requests')}:*"))
