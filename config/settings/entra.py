"""Where Entra ID answers: shared_apps/authn/backends/entra. National clouds have addresses of their own."""

from config.env import env

ENTRA_AUTHORITY = env.url(
    "ENTRA_AUTHORITY", default="https://login.microsoftonline.com", schemes=("https",)
).rstrip("/")
ENTRA_GRAPH = env.url(
    "ENTRA_GRAPH", default="https://graph.microsoft.com", schemes=("https",)
).rstrip("/")
