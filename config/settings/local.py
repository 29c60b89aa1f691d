"""On a developer's machine, and for the quickstart."""

from ipaddress import ip_network

from config.env import env
from config.settings.base import *
from config.settings.limits import rates_from

DEBUG = False

# Whoever tries a directory has it on this machine. Links and metadata services stay closed.
AUTH_EGRESS_ALLOW = env.networks(
    "AUTH_EGRESS_ALLOW",
    default=[ip_network(text) for text in ("127.0.0.0/8", "::1/128", "0.0.0.0/0", "::/0")],
)

# Here one person is everybody.
RATE_LIMITS = rates_from(env, times=1000)

env.finish()
