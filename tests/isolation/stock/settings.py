"""The product on stock parts: django-tenants' backend, cache keys and files, Channels' own layer, and one
login for everything, as is usual there."""

from config.settings import test
from config.settings.test import *  # noqa: F403

DATABASES = {
    **test.DATABASES,
    "default": {**test.DATABASES["migration"], "ENGINE": "tests.isolation.stock.backend"},
}
CACHES = {
    alias: {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": test.REDIS_URL,
        "KEY_PREFIX": alias,
        "KEY_FUNCTION": "django_tenants.cache.make_key",
    }
    for alias in test.CACHES
}
STORAGES = {
    **test.STORAGES,
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [test.REDIS_URL]},
    }
}
ASGI_APPLICATION = "tests.isolation.stock.asgi.application"
