"""WebSockets: groups across processes, on Redis."""

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from config.env import env
from config.settings.database import REDIS_URL

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "shared_apps.tenants.channel_layer.TenantChannelLayer",
        "CONFIG": {
            "hosts": [
                {
                    "address": REDIS_URL,
                    "socket_connect_timeout": 1,
                    # A socket that waits for a message is silent, not dead.
                    "socket_timeout": None,
                    "retry": Retry(NoBackoff(), 1),
                }
            ],
            # What may be unread, of one process in Redis and of one socket in the process; beyond it
            # messages are dropped. Channels' own 100 is lost in a burst of a second.
            "capacity": 5000,
        },
    },
}

# How often a process asks whether the sign-ins of its open sockets still hold.
SOCKET_CHECK_SECONDS = env.integer("SOCKET_CHECK_SECONDS", default=2, low=1, high=60)

# Where the leak laboratory finds the addresses of sockets.
SOCKET_ROUTER = "config.routing.sockets"
