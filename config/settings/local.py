"""On a developer's machine, and for the quickstart."""

from config.settings.base import *  # noqa: F403

DEBUG = False

env.finish()  # noqa: F405
