"""On a developer's machine, and for the quickstart."""

from ipaddress import ip_network

from config.env import env
from config.settings.base import *
from config.settings.limits import rates_from

DEBUG = False

# Whoever tries a directory or a mail server has it on this machine. Links and metadata services stay closed.
_anywhere = tuple(map(ip_network, ("127.0.0.0/8", "::1/128", "0.0.0.0/0", "::/0")))
AUTH_EGRESS_ALLOW = env.networks("AUTH_EGRESS_ALLOW", default=[*_anywhere])
MAIL_EGRESS_ALLOW = env.networks("MAIL_EGRESS_ALLOW", default=[*_anywhere])

# Here one person is everybody.
RATE_LIMITS = rates_from(env, times=1000)

env.finish()
