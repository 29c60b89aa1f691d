"""What Django keeps per process is of no tenant, or not kept at all (anchor B10)."""

import asyncio
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import connection, router

from shared_apps.accounts.models import User
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.log import ContextFilter
from tenant_apps.invoicing.models import Invoice, Vendor
from tests import probes
from tests.concurrency import at_once
from tests.workers import Worker

Lines = list[dict[str, str]]

_SHARED_ONLY = ("django_content_type", "auth_permission", "auth_group")


def test_content_types_and_permissions_live_in_the_shared_schema_only(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    database = settings.DATABASES["migration"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"],
    ) as owner:  # fmt: skip
        found = owner.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE tablename = ANY(%s)",
            [list(_SHARED_ONLY)],
        ).fetchall()
    assert set(found) == {("public", table) for table in _SHARED_ONLY}


def test_the_router_keeps_them_there(acme: TenantIdentity, globex: TenantIdentity) -> None:
    for tenant in (acme, globex):
        with context.tenant(tenant):
            assert not router.allow_migrate("migration", "contenttypes")
            assert not router.allow_migrate("migration", "auth")
            assert router.allow_migrate("migration", "invoicing")
    with context.operator():
        assert router.allow_migrate("migration", "contenttypes")
        assert not router.allow_migrate("migration", "invoicing")


def test_threads_of_two_tenants_agree_on_content_types(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    def read(tenant: TenantIdentity) -> Callable[[], dict[str, int]]:
        def work() -> dict[str, int]:
            ids = {}
            for model in (Invoice, Vendor, User) * 5:
                with context.tenant(tenant):
                    Vendor.objects.exists()
                with context.operator():
                    ContentType.objects.clear_cache()
                    ids[model.__name__] = ContentType.objects.get_for_model(model).id
            return ids

        return work

    seen = at_once([read(acme), read(globex)] * 2)
    with context.operator():
        true = {
            model.__name__: ContentType.objects.get(
                app_label=model._meta.app_label, model=model._meta.model_name
            ).id
            for model in (Invoice, Vendor, User)
        }
    assert seen == [true] * 4


def test_no_permission_is_kept_on_a_user(acme: TenantIdentity) -> None:
    """A role is read for each request, by user and tenant; there is no cache to bleed."""
    assert not hasattr(User, "has_perm")
    assert not any(name.endswith("_perm_cache") for name in dir(User))
    assert not hasattr(User, "user_permissions")
    assert not hasattr(User, "groups")


def test_no_site_is_kept() -> None:
    """`Site.objects` keeps sites by id for the whole process."""
    assert not apps.is_installed("django.contrib.sites")


def test_no_queries_are_kept(acme: TenantIdentity) -> None:
    """Only DEBUG keeps them, per connection; a page of one tenant would show another's."""
    with context.tenant(acme):
        Vendor.objects.exists()
    assert not settings.DEBUG
    assert not connection.queries_log


@pytest.fixture
def log_lines() -> Iterator[Lines]:
    """The fields of what `tests.isolation` logs, as the configured handler would write them."""
    lines: Lines = []

    class _Collector(logging.StreamHandler[io.StringIO]):
        def emit(self, record: logging.LogRecord) -> None:
            names = ("tenant", "request_id", "task_id", "message")
            self.format(record)
            lines.append({name: str(getattr(record, name)) for name in names})

    handler, logger = _Collector(io.StringIO()), logging.getLogger("tests.isolation")
    handler.addFilter(ContextFilter())
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def _request(slug: str) -> AbstractContextManager[None]:
    return attribution.acting(attribution.Attribution(request_id=f"req-{slug}"))


def _assert_own(lines: Lines) -> None:
    for line in lines:
        slug = line["message"].removeprefix("marker of ")
        assert (line["tenant"], line["request_id"], line["task_id"]) == (slug, f"req-{slug}", "-")


def test_a_log_record_carries_its_own_tenant_only(
    acme: TenantIdentity, globex: TenantIdentity, log_lines: "Lines"
) -> None:
    logger = logging.getLogger("tests.isolation")

    def write(tenant: TenantIdentity) -> Callable[[], None]:
        def work() -> None:
            with context.tenant(tenant), _request(tenant.slug):
                for _ in range(50):
                    logger.warning("marker of %s", tenant.slug)

        return work

    at_once([write(acme), write(globex)] * 3)
    assert len(log_lines) == 300
    _assert_own(log_lines)


def test_so_does_one_of_an_asyncio_task(
    acme: TenantIdentity, globex: TenantIdentity, log_lines: "Lines"
) -> None:
    logger = logging.getLogger("tests.isolation")

    async def write(tenant: TenantIdentity) -> None:
        with context.tenant(tenant), _request(tenant.slug):
            for _ in range(20):
                await asyncio.sleep(0)
                logger.warning("marker of %s", tenant.slug)
                await asyncio.to_thread(logger.warning, "marker of %s", tenant.slug)

    async def all_of_them() -> None:
        await asyncio.gather(*(write(tenant) for tenant in (acme, globex) * 3))

    asyncio.run(all_of_them())
    assert len(log_lines) == 240
    _assert_own(log_lines)


def test_so_does_one_of_a_worker(
    acme: TenantIdentity, globex: TenantIdentity, workers: dict[str, Worker]
) -> None:
    for worker in workers.values():
        sent = []
        for tenant in (acme, globex) * 10:
            with context.tenant(tenant), _request(tenant.slug):
                sent.append((tenant, probes.log_marker.apply_async(queue=worker.queue)))
        for tenant, result in sent:
            result.get(timeout=20)
            [line] = [
                line
                for line in worker.lines(f"task={result.id}")
                if f"marker of {tenant.slug}" in line
            ]
            assert f"tenant={tenant.slug} request=req-{tenant.slug} " in line
            others = [line for line in worker.lines(result.id) if "tenant=" in line]
            assert all(f"tenant={tenant.slug} " in line or "tenant=- " in line for line in others)
