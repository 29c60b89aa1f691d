"""The product on django-tenants' backend, with one login for everything, as is usual there."""

from config.settings import test
from config.settings.test import *  # noqa: F403

DATABASES = {
    **test.DATABASES,
    "default": {**test.DATABASES["migration"], "ENGINE": "tests.isolation.stock.backend"},
}
