"""Tasks that only the tests' workers know: each says, or does, one thing in its context."""

import logging
import os
import signal
import threading
import time
from typing import Any
from uuid import UUID

import celery
from celery import Task
from celery.exceptions import Ignore, Reject
from django.db import connection

from config.celery import app
from shared_apps.core import attribution, context
from shared_apps.tenants import selectors as tenants
from shared_apps.tenants.context_task import ContextTask
from tests import job_kinds

__all__ = ["app", "job_kinds"]


def describe_context() -> dict[str, Any]:
    """Whom code works for, by the context and by the database."""
    scope, who = context.require(), attribution.current()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_schema()")
        role, schema = cursor.fetchone()
    return {
        "scope": scope.slug if isinstance(scope, context.TenantIdentity) else "operator",
        "role": role,
        "schema": schema,
        "user_id": str(who.user_id) if who.user_id else None,
        "request_id": who.request_id,
        "task_id": who.task_id,
        "parent_task_id": who.parent_task_id,
    }


@app.task(name="probe.describe")
def describe(*_: Any, **__: Any) -> dict[str, Any]:
    return describe_context()


@app.task(name="probe.statement")
def statement() -> str:
    """What the server sees of a statement of this task."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_query()")
        return str(cursor.fetchone()[0])


@app.task(name="probe.collect")
def collect(results: Any) -> dict[str, Any]:
    """What came before, and where this runs."""
    return {"before": results, "here": describe_context()}


@app.task(name="probe.add_vendor")
def add_vendor(*_: Any, name: str, person: str) -> str:
    from tenant_apps.invoicing.services import vendors

    return str(vendors.create_vendor(name=name, created_by=UUID(person)).id)


@app.task(name="probe.retry_and_sign", bind=True, default_retry_delay=0)
def retry_and_sign(self: Task, user_id: str) -> None:  # type: ignore[type-arg]
    """A write at each of three attempts, under the name of whoever should be its maker."""
    add_vendor(name=f"{user_id} attempt {self.request.retries}", person=user_id)
    if self.request.retries < 2:
        raise self.retry()


@app.task(name="probe.send_signing")
def send_signing(user_id: str, queue: str, depth: int) -> None:
    """A write, and the same again from inside, so many times."""
    if depth:
        send_signing.apply_async([user_id, queue, depth - 1], queue=queue)
    add_vendor(name=f"{user_id} nested {depth}", person=user_id)


@app.task(name="probe.fail")
def fail(*_: Any) -> None:
    raise ValueError("on purpose")


@app.task(name="probe.retry", bind=True, default_retry_delay=0)
def retry(self: Task) -> dict[str, Any]:  # type: ignore[type-arg]
    if self.request.retries < 2:
        raise self.retry()
    return describe_context()


@app.task(name="probe.retry_from_elsewhere", bind=True, default_retry_delay=0)
def retry_from_elsewhere(self: Task, tenant_id: str) -> dict[str, Any]:  # type: ignore[type-arg]
    """Retries while it works for another tenant: what is sent again is the task as it was."""
    if self.request.retries < 1:
        with context.tenant(tenants.get_tenant_by_id(tenant_id=UUID(tenant_id)).identity):
            raise self.retry()
    return describe_context()


@app.task(
    name="probe.autoretry", bind=True, autoretry_for=(ValueError,), default_retry_delay=0
)  # fmt: skip
def autoretry(self: Task) -> dict[str, Any]:  # type: ignore[type-arg]
    if self.request.retries < 2:
        raise ValueError("again")
    return describe_context()


@app.task(name="probe.replace", bind=True)
def replace(self: Task) -> None:  # type: ignore[type-arg]
    raise self.replace(describe.si().set(queue=self.request.delivery_info.get("routing_key")))


@app.task(name="probe.send_on")
def send_on(queue: str, tenant_id: str | None = None) -> str:
    """Send `describe` from inside a task; for another tenant in that one's context."""
    if tenant_id is None:
        return str(describe.apply_async(queue=queue).id)
    with context.tenant(tenants.get_tenant_by_id(tenant_id=UUID(tenant_id)).identity):
        return str(describe.apply_async(queue=queue).id)


@app.task(name="probe.send_for")
def send_for(queue: str, scope: str) -> str:
    """Send `describe` with a header that names a scope, as no code should."""
    return str(describe.apply_async(queue=queue, headers={"scope": scope}).id)


@app.task(name="probe.leave_behind")
def leave_behind(how: str, tenant_id: str) -> None:
    """Enter a context and never leave it, then end in every way that a task can."""
    identity = tenants.get_tenant_by_id(tenant_id=UUID(tenant_id)).identity
    context._scope.set(identity)
    attribution._attribution.set(attribution.Attribution(request_id="left-behind"))
    describe_context()
    endings = {
        "failure": ValueError("on purpose"),
        "reject": Reject("on purpose"),
        "ignore": Ignore(),
    }
    if how in endings:
        raise endings[how]


@app.task(name="probe.exceed", soft_time_limit=1)
def exceed() -> None:
    describe_context()
    time.sleep(30)


@app.task(name="probe.remains", base=celery.Task)
def remains() -> tuple[int, int, str, str]:
    """What a worker's thread holds when no task of ours runs: asked by a task of Celery's own class."""
    time.sleep(0.05)  # so that every thread or process gets one
    return (
        os.getpid(),
        threading.get_ident(),
        repr(context.current()),
        attribution.current().as_json,
    )


class _Hooked(ContextTask):
    abstract = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        self._note("before", kwargs)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        self._note("success", kwargs)

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self._note("failure", kwargs)

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        self._note("after", kwargs)

    def _note(self, hook: str, kwargs: Any) -> None:
        add_vendor(name=f"{hook} {kwargs['mark']}", person=kwargs["person"])


@app.task(name="probe.hooked", base=_Hooked)
def hooked(*, mark: str, person: str, fails: bool) -> None:
    if fails:
        raise ValueError("on purpose")


@app.task(name="probe.die_once", bind=True)
def die_once(self: Task, *, vendor_id: str, person: str, whole: bool) -> str:  # type: ignore[type-arg]
    """Idempotent work, by a worker that is killed in the middle of it the first time."""
    from tenant_apps.invoicing.models import Vendor

    _, created = Vendor.objects.get_or_create(
        id=UUID(vendor_id), defaults={"name": "Nordwind", "created_by": UUID(person)}
    )
    if created:
        if whole:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return describe_context()["schema"]


@app.task(name="probe.fail_at_acme")
def fail_at_acme() -> None:
    if context.require_tenant().slug == "acme":
        raise ValueError("on purpose")


@app.task(name="probe.log_marker")
def log_marker() -> None:
    logging.getLogger("tests.isolation").warning("marker of %s", context.require_tenant().slug)
