"""The test settings with the addresses that fail, for a server that a test starts."""

from config.settings.test import *  # noqa: F403  # settings inherit so

ROOT_URLCONF = "tests.integration.shared_apps.core.failing_urls"
