"""The test settings with the views of urls.py, for a server that a test starts."""

from config.settings.test import *  # noqa: F403  # settings inherit so

ROOT_URLCONF = "tests.integration.tenant_apps.idempotency.urls"
