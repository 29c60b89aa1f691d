"""Where Entra ID answers: shared_apps/authn/backends/entra. National clouds have addresses of their own."""

from config.env import env

# In production over TLS only (production.py).
_SCHEMES = ("https", "http")
ENTRA_AUTHORITY = env.url(
    "ENTRA_AUTHORITY", default="https://login.microsoftonline.com", schemes=_SCHEMES
).rstrip("/")
ENTRA_GRAPH = env.url(
    "ENTRA_GRAPH", default="https://graph.microsoft.com", schemes=_SCHEMES
).rstrip("/")
