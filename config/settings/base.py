"""Django itself; each concern has a file of its own beside this one."""

from pathlib import Path

from config.env import env
from config.settings.anchors import *
from config.settings.api import *
from config.settings.apps import *
from config.settings.auth import *
from config.settings.cache import *
from config.settings.celery import *
from config.settings.channels import *
from config.settings.database import *
from config.settings.entra import *
from config.settings.files import *
from config.settings.fixtures import *
from config.settings.fleet import *
from config.settings.heartbeat import *
from config.settings.idempotency import *
from config.settings.jobs import *
from config.settings.lifecycle import *
from config.settings.limits import *
from config.settings.logging import *
from config.settings.mail import *
from config.settings.metrics import *
from config.settings.openapi import *
from config.settings.operations import *
from config.settings.preparing import *
from config.settings.security import *
from config.settings.sinks import *
from config.settings.static import *
from config.settings.versions import *

BASE_DIR = Path(__file__).resolve().parents[2]

ROOT_URLCONF = "config.urls"
PUBLIC_SCHEMA_URLCONF = "config.urls_public"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
APPEND_SLASH = False

ENVIRONMENT_NAME = env.text("FREEHOLD_ENVIRONMENT", default="local")
COMMIT = env.text("FREEHOLD_COMMIT", default="")
