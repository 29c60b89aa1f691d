"""Hand work to the background, without importing the task that does it."""

from typing import Any

from celery import current_app
from django.db import transaction


def enqueue(task_name: str, **arguments: Any) -> None:
    """Run a registered task after the current transaction commits, in the same context.

    The task class puts the scope and the attribution of the caller into the message.

    Raises:
        celery.exceptions.NotRegistered: no such task; raised here, not in a worker at night.
    """
    current_app.loader.import_default_modules()
    task: Any = current_app.tasks[task_name]
    # Captured now: at commit time the caller's context may have been left.
    headers = task.context_headers()
    transaction.on_commit(lambda: task.apply_async(kwargs=arguments, headers=headers))
