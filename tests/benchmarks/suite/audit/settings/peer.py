"""Django with the apps of one peer, as its documentation sets it up; with none of them the floor."""

import os

SECRET_KEY = "a benchmark has no secrets"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    *os.environ["PEER_APPS"].split(","),
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PEER_NAME"],
        "USER": os.environ["PEER_USER"],
        "PASSWORD": os.environ.get("PEER_PASSWORD", ""),
        "HOST": os.environ["PEER_HOST"],
        "PORT": os.environ["PEER_PORT"],
        "CONN_MAX_AGE": None,
    }
}
