"""Files of the apps' own pages, for a server in front to serve. Ours have none on disk of the image."""

from config.env import env

STATIC_URL = "/static/"
# `manage.py prepare` collects them there in production; empty: nowhere.
STATIC_ROOT = env.text("STATIC_ROOT", default="") or None
