"""Hand work to the background, without importing the task that does it."""

import contextvars
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from celery import current_app
from django.db import transaction

from shared_apps.core import context

_importing = threading.Lock()


def enqueue(task_name: str, **arguments: Any) -> None:
    """Run a registered task after the current transaction commits, in the same context.

    The task class puts the scope and the attribution of the caller into the message.

    Raises:
        celery.exceptions.NotRegistered: no such task; raised here, not in a worker at night.
        TenantContextRequired: there is no context that it could run in.
    """
    transaction.on_commit(_sending(task_name, arguments))


def hint(task_name: str, **arguments: Any) -> None:
    """As `enqueue`, for what is done without it too, only later: a broker that does not answer is logged.

    The caller has committed by then, and is not told that it failed.
    """
    transaction.on_commit(_sending(task_name, arguments), robust=True)


def dispatch(task_name: str, *, task_id: str, time_limit: float, **arguments: Any) -> None:
    """As `hint`, under an id that the caller has kept, and killed after so many seconds."""
    options = {"task_id": task_id, "time_limit": time_limit}
    transaction.on_commit(_sending(task_name, arguments, **options), robust=True)


def run_here(task_name: str, *, task_id: str, **arguments: Any) -> None:
    """Run a registered task in this process and in the present context; how it ends is its own affair."""
    _find(task_name).apply(kwargs=arguments, task_id=task_id, throw=False)


def revoke(task_id: str) -> None:
    """Tell the workers after the commit not to begin a task; one that has begun goes on."""
    transaction.on_commit(lambda: current_app.control.revoke(task_id), robust=True)


def _sending(task_name: str, arguments: dict[str, Any], **options: Any) -> Callable[[], None]:
    task = _find(task_name)
    context.require()
    # Captured now: at commit time the caller's context may have been left.
    captured = contextvars.copy_context()

    def send() -> None:
        captured.run(task.apply_async, kwargs=arguments, **options)

    return send


def _find(task_name: str) -> Any:
    if task_name not in current_app.tasks:
        # Celery imports nothing for whoever asks while another thread has it import.
        with _importing:
            _import_tasks_of_apps()
    return current_app.tasks[task_name]


@cache
def _import_tasks_of_apps() -> None:
    """Once per process, and only in one that sends: a worker has imported them at its start.

    Not `loader.import_default_modules()`, whose receivers set up Django, and so logging, anew.
    """
    current_app.autodiscover_tasks(force=True)
