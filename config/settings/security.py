"""Secrets, hosts and headers."""

from config.env import env

SECRET_KEY = env.secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS", default=[])

# Host names are checked against the tenants' domains by the tenant middleware, which is stricter
# than a list can be; this list is a further limit for those who want one.
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", default=["*"])
# Whose X-Forwarded-For and X-Forwarded-Proto are believed: networks of the proxies in front of the product, none by default.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", default=[])
# Where operators and cross-tenant people sign in.
PUBLIC_HOST = env.text("PUBLIC_HOST")

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# The first wraps the keys of people's fields in the audit trail, the others still open what they wrapped.
AUDIT_SEALING_KEYS = env.secrets_by_id("AUDIT_SEALING_KEYS")
