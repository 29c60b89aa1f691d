"""On a developer's machine, and for the quickstart."""

from config.env import env
from config.settings.base import *

DEBUG = False

env.finish()
