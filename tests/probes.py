"""Tasks that only the tests' workers know: each says, or does, one thing in its context."""

from typing import Any
from uuid import UUID

from celery import Task
from django.db import connection

from config.celery import app
from shared_apps.core import attribution, context

__all__ = ["app"]


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


@app.task(name="probe.add_vendor", bind=True)
def add_vendor(self: Task, *, name: str, person: str) -> str:  # type: ignore[type-arg]
    from tenant_apps.invoicing.services import vendors

    return str(vendors.create_vendor(name=name, created_by=UUID(person)).id)
