"""Where attempts are counted: in Redis, and nowhere else."""

from django.conf import settings

from shared_apps.core.rate_limits.windows import RedisWindows

_TIMEOUT = 1.0  # seconds


def in_redis() -> RedisWindows:
    return RedisWindows(url=settings.REDIS_URL, timeout=_TIMEOUT)
