"""The Celery application; every task of ours runs in the context of whoever sent it."""

import logging.config
import os
from typing import Any

from celery.signals import beat_init, setup_logging, worker_init, worker_process_init, worker_ready
from django.conf import settings

from config import broker
from config.worker_heartbeat import WorkerHeartbeat
from shared_apps.tenants.celery import TenantCelery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

broker.use()
app = TenantCelery("freehold")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(WorkerHeartbeat)


@setup_logging.connect
def log_as_everything_else(**_: Any) -> None:
    """Without a handler of Celery's own beside ours (config/settings/logging.py)."""
    logging.config.dictConfig(settings.LOGGING)


@worker_process_init.connect
@beat_init.connect
def answer_prometheus(**_: Any) -> None:
    """In beat and in each child of a worker, not in their parent: a thread does not survive a fork."""
    from shared_apps.core.metrics import listener

    listener.start()


@worker_ready.connect
def answer_prometheus_from_threads(sender: Any, **_: Any) -> None:
    """The pool of threads has no children, and does not say so as the solo pool does."""
    if type(sender.pool).__module__ == "celery.concurrency.thread":
        answer_prometheus()


@worker_init.connect
def look_at_the_database(**_: Any) -> None:
    from shared_apps.tenants.database import probe

    try:
        probe.look_at_start()
    except probe.UnsafeRouteError as error:
        # Celery logs exceptions of a signal's handlers and goes on.
        raise SystemExit(str(error)) from error
