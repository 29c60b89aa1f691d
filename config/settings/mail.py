"""Where mail leaves by. Without EMAIL_URL it waits in the outbox (docs/sign-in.md)."""

from urllib.parse import unquote, urlsplit

from config.env import env
from config.settings.security import PUBLIC_HOST

# Scheme and port of the addresses in mails; the host is the tenant's own. Never taken from a request.
PUBLIC_URL = env.url("PUBLIC_URL", default=f"https://{PUBLIC_HOST}", schemes=("https", "http"))

EMAIL_URL = env.url("EMAIL_URL", default="", schemes=("smtps", "smtp+starttls", "smtp", "file"))
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", default=f"no-reply@{PUBLIC_HOST.partition(':')[0]}")
# In seconds, of each step of a delivery; a lease of the outbox is much longer.
EMAIL_TIMEOUT = 10
# Where tenants' own mail servers may be: as AUTH_EGRESS_ALLOW of directories.
MAIL_EGRESS_ALLOW = env.networks("MAIL_EGRESS_ALLOW", default=[])

_url = urlsplit(EMAIL_URL)
if _url.scheme == "file":
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = unquote(_url.path)
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = _url.hostname or ""
    EMAIL_PORT = _url.port or {"smtps": 465, "smtp+starttls": 587}.get(_url.scheme, 25)
    EMAIL_HOST_USER = unquote(_url.username or "")
    EMAIL_HOST_PASSWORD = unquote(_url.password or "")
    EMAIL_USE_SSL = _url.scheme == "smtps"
    EMAIL_USE_TLS = _url.scheme == "smtp+starttls"
