"""The test settings with addresses that write in every way that an async view can."""

from config.settings.test import *  # noqa: F403  # settings inherit so

ROOT_URLCONF = "tests.isolation.writing_urls"
