"""The product with the synthetic apps in its tenants' schemas, and no others but the outbox."""

from config.settings.local import *
from tests.benchmarks.tenants.project import APPS

TENANT_APPS = ["shared_apps.audit", *APPS]
INSTALLED_APPS = [*INSTALLED_APPS, *APPS]
