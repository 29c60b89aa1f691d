"""At a customer's: TLS in front, nothing without a secret."""

from config.env import env
from config.settings.base import *

DEBUG = False
ENVIRONMENT_NAME = env.text("FREEHOLD_ENVIRONMENT", default="production")

SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", default=31536000, low=0, high=63072000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-freehold_session"
SIGN_IN_COOKIE_NAME = "__Host-freehold_sign_in"
CSRF_COOKIE_SECURE = True

# The API takes tokens in a header, never cookies, so a foreign page cannot make a browser send them.
SILENCED_SYSTEM_CHECKS += ["security.W003"]

for _name in ("ENTRA_AUTHORITY", "ENTRA_GRAPH"):
    if not globals()[_name].startswith("https://"):
        env.problems.append(f"{_name} must start with https://")

env.finish()
