"""The product without its rate limits, which the benchmark `limits` measures."""

from config.settings.local import *

MIDDLEWARE = [
    name for name in MIDDLEWARE if name != "shared_apps.authn.rate_limiting.RateLimitMiddleware"
]
