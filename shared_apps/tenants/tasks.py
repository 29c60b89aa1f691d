from typing import Any
from uuid import UUID

from celery import Task, current_app, shared_task
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.queue import enqueue
from shared_apps.tenants import fan_out, messages
from shared_apps.tenants.errors import TaskRefusedError


@shared_task(name="tenants.fan_out", bind=True)
def fan_out_task(
    self: "Task[Any, Any]",
    /,
    *,
    task: str,
    run_id: str | None = None,
    after: str | None = None,
    **_: Any,
) -> dict[str, Any]:
    """Send a task for every active tenant: a batch now, then itself again for the next batch.

    Raises:
        celery.exceptions.NotRegistered: no such task.
        TaskRefusedError: anybody but the operator sent it.
    """
    if context.require() is not context.OPERATOR:
        raise TaskRefusedError("only the operator works for all tenants")
    sent: Any = current_app.tasks[task]
    # Of the first batch, the message's own id: a redelivered one is the same run.
    run = UUID(run_id or self.request.id)
    batch = fan_out.send_batch(
        task=task,
        run_id=run,
        after=UUID(after) if after else None,
        at=timezone.now(),
        send=lambda: sent.apply_async(headers={messages.FAN_OUT: str(run)}),
    )
    if batch.last:
        enqueue("tenants.fan_out", task=task, run_id=str(run), after=str(batch.last))
    return {"run_id": str(run), "sent": batch.sent, "failed": batch.failed}
