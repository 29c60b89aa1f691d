"""The cache and browser sessions, on Redis. Keys are the tenant's: shared_apps/tenants/cache.py."""

from redis.backoff import NoBackoff
from redis.retry import Retry

from config.env import env
from config.settings.database import REDIS_URL

_redis = {
    "LOCATION": REDIS_URL,
    "KEY_FUNCTION": "shared_apps.tenants.cache.make_key",
    "REVERSE_KEY_FUNCTION": "shared_apps.tenants.cache.reverse_key",
    "OPTIONS": {
        "CLIENT_CLASS": "shared_apps.tenants.cache.TenantClient",
        "SOCKET_CONNECT_TIMEOUT": 1,
        "SOCKET_TIMEOUT": 2,
        # Once more, at once: a connection may have ended while it lay in the pool. redis-py's own
        # rule waits for seconds, and a cache that is waited for is worse than none.
        "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 1)},
    },
}
CACHES = {
    "default": {
        **_redis,
        "BACKEND": "shared_apps.tenants.cache.ForgivingTenantCache",
        "KEY_PREFIX": "cache",
        "TIMEOUT": 300,
    },
    # Apart from the cache, so that clearing that signs nobody out.
    "sessions": {
        **_redis,
        "BACKEND": "shared_apps.tenants.cache.TenantCache",
        "KEY_PREFIX": "sessions",
    },
}

# For how long Redis is waited for where results are kept (shared_apps/core/caching); then they are computed.
CACHE_TIMEOUT_MS = env.integer("CACHE_TIMEOUT_MS", default=100, low=10, high=10_000)

# Of browsers; a token's session is a row (authn). No middleware reads it yet.
SESSION_ENGINE = "shared_apps.tenants.sessions"
SESSION_CACHE_ALIAS = "sessions"
# Without a Domain attribute it goes back to the host that set it and to no other. In production the
# name has the prefix with which browsers see to that.
SESSION_COOKIE_NAME = "freehold_session"
SESSION_COOKIE_DOMAIN = None
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60

# The secret of a browser that has gone to sign in at its organisation's own page.
SINGLE_SIGN_ON_COOKIE_NAME = "freehold_single_sign_on"
