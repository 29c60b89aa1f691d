"""What a killed worker held is done by another, once."""

import time
from pathlib import Path
from uuid import uuid4

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql

from config import celery_app
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Vendor
from tests import probes
from tests.waiting import wait_until
from tests.workers import Worker, kill, running_worker

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


def test_a_task_waits_in_the_queue_for_a_database_that_is_away(
    acme: TenantIdentity, worker: Worker
) -> None:
    role = sql.Identifier(settings.DATABASES["default"]["USER"])
    with psycopg.connect(settings.ADMIN_DATABASE_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(role))
        try:
            # Connections of before, the worker's among them, end too.
            connections["default"].close()
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
                [settings.DATABASES["default"]["USER"]],
            )
            with context.tenant(acme):
                result = probes.describe.apply_async(queue=worker.queue)
            wait_until(
                lambda: len(worker.lines(f"[{result.id}] goes back to the queue")) >= 2,
                "two attempts",
            )
            assert not result.ready()
        finally:
            admin.execute(sql.SQL("ALTER ROLE {} LOGIN").format(role))
    assert result.get(timeout=30)["schema"] == acme.schema


def test_a_message_outlives_the_longest_task() -> None:
    conf = celery_app.conf
    assert conf.broker_transport_options["visibility_timeout"] > conf.task_time_limit
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.accept_content == conf.result_accept_content == ["json"]
    assert conf.broker_url == conf.result_backend == settings.CELERY_BROKER_URL
