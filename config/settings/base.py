"""Django itself; each concern has a file of its own beside this one."""

from pathlib import Path

from config.env import env
from config.settings.api import *  # noqa: F403 (settings are composed by name, as Django reads them)
from config.settings.apps import *  # noqa: F403
from config.settings.auth import *  # noqa: F403
from config.settings.celery import *  # noqa: F403
from config.settings.database import *  # noqa: F403
from config.settings.logging import *  # noqa: F403
from config.settings.security import *  # noqa: F403

BASE_DIR = Path(__file__).resolve().parents[2]

ROOT_URLCONF = "config.urls"
PUBLIC_SCHEMA_URLCONF = "config.urls_public"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
APPEND_SLASH = False

ENVIRONMENT_NAME = env.text("FREEHOLD_ENVIRONMENT", default="local")
COMMIT = env.text("FREEHOLD_COMMIT", default="")
