"""The test settings with a visibility timeout of seconds, for workers that are killed."""

from config.settings.test import *  # noqa: F403  # settings inherit so

CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3}
