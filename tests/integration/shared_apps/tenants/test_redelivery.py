"""What a killed worker held is done by another, once."""

import time
from pathlib import Path
from uuid import uuid4

from django.conf import settings

from config import celery_app
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Vendor
from tests import probes
from tests.waiting import wait_until
from tests.workers import kill, running_worker

VISIBILITY_TIMEOUT = 3  # seconds, in tests/quick_settings.py


def test_a_killed_workers_task_is_redelivered_and_done_once(
    acme: TenantIdentity, tmp_path: Path
) -> None:
    vendor, queue = uuid4(), f"{settings.CELERY_TASK_DEFAULT_QUEUE}-kill"
    quick = {"DJANGO_SETTINGS_MODULE": "tests.quick_settings"}
    with context.tenant(acme):
        result = probes.die_once.apply_async(
            kwargs={"vendor_id": str(vendor), "person": str(uuid4()), "whole": True}, queue=queue
        )
    with running_worker(
        "prefork", queue=queue, directory=tmp_path, concurrency=1, environment=quick
    ) as first:
        wait_until(lambda: first.process.poll() is not None, "the end of the first worker")
        kill(first.process)
    assert not result.ready()
    time.sleep(VISIBILITY_TIMEOUT)

    with running_worker(
        "prefork", queue=queue, directory=tmp_path, concurrency=1, environment=quick
    ) as second:
        assert result.get(timeout=30) == acme.schema
        assert len(second.lines(f"[{result.id}] received")) == 1
        wait_until(lambda: bool(second.lines(f"[{result.id}] succeeded")), "a line in the log")
        assert len(second.lines(f"[{result.id}] succeeded")) == 1
    with context.tenant(acme):
        assert [row.id for row in Vendor.objects.all()] == [vendor]


def test_a_killed_processs_task_is_done_by_another_process(
    acme: TenantIdentity, workers: dict[str, object]
) -> None:
    vendor = uuid4()
    with context.tenant(acme):
        result = probes.die_once.apply_async(
            kwargs={"vendor_id": str(vendor), "person": str(uuid4()), "whole": False}
        )
        assert result.get(timeout=30) == acme.schema
        assert Vendor.objects.count() == 1


def test_a_message_outlives_the_longest_task() -> None:
    conf = celery_app.conf
    assert conf.broker_transport_options["visibility_timeout"] > conf.task_time_limit
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.accept_content == conf.result_accept_content == ["json"]
    assert conf.broker_url == conf.result_backend == settings.CELERY_BROKER_URL
