"""A real worker does what a caller enqueued, in the caller's tenant and name."""

import logging
from uuid import uuid4

import pytest
from celery.exceptions import NotRegistered
from django.db import transaction

from shared_apps.audit import selectors as audit
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from shared_apps.core.queue import enqueue
from tenant_apps.invoicing import selectors
from tests import probes
from tests.installation import Installation
from tests.people import make_person
from tests.waiting import wait_until
from tests.workers import Worker


def _wait_for_vendor(name: str) -> None:
    wait_until(selectors.list_vendors().filter(name=name).exists, "the task")


def test_a_task_runs_in_the_callers_tenant_and_is_attributed_to_the_caller(
    system: Installation,
    workers: dict[str, Worker],
    acme: TenantIdentity,
    globex: TenantIdentity,
) -> None:
    person, request_id, name = make_person(acme), f"req-{uuid4().hex}", f"Firm {uuid4().hex}"
    caller = attribution.Attribution(user_id=person.id, request_id=request_id)

    with context.tenant(acme), attribution.acting(caller), transaction.atomic():
        enqueue(probes.add_vendor.name, name=name, person=str(person.id))

    with context.tenant(acme):
        _wait_for_vendor(name)
    with context.tenant(globex):
        assert not selectors.list_vendors().exists()
    system.relay()
    where = audit.EntryFilter(request_id=request_id)
    [entry] = audit.list_entries(tenant_id=acme.id, where=where, limit=10)
    assert (entry.entity_type, entry.operation) == ("invoicing.vendor", "CREATE")
    assert entry.modified_by == str(person.id)
    assert "task:probe.add_vendor" in entry.attribution
    assert audit.list_entries(tenant_id=globex.id, where=where, limit=10) == []


def test_a_tasks_statements_name_its_tenant_its_request_and_the_task(
    workers: dict[str, Worker], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex):
        request_id = f"req-{uuid4().hex}"
        caller = attribution.Attribution(request_id=request_id)
        with context.tenant(tenant), attribution.acting(caller):
            seen = probes.statement.apply_async().get(timeout=30)
        assert seen.startswith(
            f"/*request_id='{request_id}',route='task%3Aprobe.statement',tenant='{tenant.slug}'*/ "
        )


def test_a_rollback_sends_nothing(
    workers: dict[str, Worker], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    lost, kept = f"Lost {uuid4().hex}", f"Kept {uuid4().hex}"
    person = str(uuid4())
    with context.tenant(acme):
        with transaction.atomic():
            enqueue(probes.add_vendor.name, name=lost, person=person)
            transaction.set_rollback(True)
        enqueue(probes.add_vendor.name, name=kept, person=person)
        _wait_for_vendor(kept)
        assert not selectors.list_vendors().filter(name=lost).exists()


def test_the_context_is_that_of_the_call_not_of_the_commit(
    workers: dict[str, Worker], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    name = f"Firm {uuid4().hex}"
    with context.tenant(acme), transaction.atomic(), context.tenant(globex):
        enqueue(probes.add_vendor.name, name=name, person=str(uuid4()))
    with context.tenant(globex):
        _wait_for_vendor(name)
    with context.tenant(acme):
        assert not selectors.list_vendors().exists()


def test_a_misspelt_name_fails_at_the_call(acme: TenantIdentity) -> None:
    with context.tenant(acme), pytest.raises(NotRegistered):
        enqueue("invoicing.chek_books")


def test_without_a_context_nothing_is_enqueued(system: Installation) -> None:
    with pytest.raises(TenantContextRequired):
        enqueue("invoicing.check_books")


def test_enqueueing_leaves_logging_as_it_is(acme: TenantIdentity) -> None:
    root, mine = logging.getLogger(), logging.NullHandler()
    root.addHandler(mine)
    try:
        with context.tenant(acme), transaction.atomic():
            enqueue("invoicing.check_books")
            transaction.set_rollback(True)
        assert mine in root.handlers
    finally:
        root.removeHandler(mine)


def test_the_tasks_of_every_app_are_found(workers: dict[str, Worker]) -> None:
    """By a worker at its start, which lists them."""
    listed = {line.split()[-1] for line in workers["prefork"].lines("  . ")}
    assert {
        "authn.delete_expired_sessions",
        "invoicing.check_books",
        "tenants.fan_out",
    } <= listed
