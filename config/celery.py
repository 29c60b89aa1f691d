"""The Celery application; every task of ours runs in the context of whoever sent it."""

import os

from shared_apps.tenants.celery import TenantCelery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = TenantCelery("freehold")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
