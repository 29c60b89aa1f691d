"""At a customer's: TLS in front, nothing without a secret."""

from config.env import env
from config.settings.base import *
from shared_apps.core.log_lines import FORMATS, JSON

DEBUG = False
ENVIRONMENT_NAME = env.text("FREEHOLD_ENVIRONMENT", default="production")

LOG_FORMAT = env.choice("LOG_FORMAT", default=JSON, choices=FORMATS)
LOGGING["handlers"]["stderr"]["formatter"] = LOG_FORMAT

SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", default=True)
# Probes ask the process itself, without TLS: sent elsewhere, they would call anything healthy, or nothing.
SECURE_REDIRECT_EXEMPT = [r"^health/(live|ready|startup)/?$"]
# Of TRUSTED_PROXIES alone: from anybody else the header is taken away (shared_apps/core/middleware.py).
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", default=31536000, low=0, high=63072000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-freehold_session"
SINGLE_SIGN_ON_COOKIE_NAME = "__Host-freehold_single_sign_on"
BROWSER_COOKIE_NAME = "__Host-freehold_sign_in"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-freehold_csrf"

# What takes a cookie checks the CSRF token itself (shared_apps/authn); what takes a token needs none.
SILENCED_SYSTEM_CHECKS += ["security.W003"]

for _name in ("ENTRA_AUTHORITY", "ENTRA_GRAPH"):
    if not globals()[_name].startswith("https://"):
        env.problems.append(f"{_name} must start with https://")

env.finish()
