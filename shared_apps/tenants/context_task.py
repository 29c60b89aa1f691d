"""Celery tasks run on behalf of whoever sent them, or not at all."""

import contextvars
import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any
from uuid import UUID

from celery import Task, states, uuid
from celery.exceptions import Reject
from django.db import Error as DatabaseFailure
from django.utils import timezone

from shared_apps.core import attribution, context
from shared_apps.core.errors import ContextOrderError
from shared_apps.tenants import fan_out, messages, selectors
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import TaskRefusedError, TenantNotFoundError

logger = logging.getLogger(__name__)

Tracer = Callable[..., Any]

_refusal: ContextVar[Exception | None] = ContextVar("refusal", default=None)
"""Why the task that is being traced must not run."""

_PAUSE_WITHOUT_DATABASE = 1.0  # seconds, so that a message that goes back is not read at once again


class _InSendersContext:
    """Wraps whatever tracer Celery gives a task, so that all it does is done in the sender's context.

    The tracer is what runs a task in every pool: body, hooks, retries, and the sending of callbacks,
    chain and chord. A signal handler could not refuse (Celery swallows its errors), and `__call__`
    alone would leave the hooks and callbacks without context.
    """

    def __get__(self, task: "ContextTask | None", owner: type) -> Tracer | None:
        return None if task is None else task.__dict__.get("_tracer")

    def __set__(self, task: "ContextTask", tracer: Tracer | None) -> None:
        task.__dict__["_tracer"] = None if tracer is None else _in_senders_context(task, tracer)


def _in_senders_context(task: "ContextTask", tracer: Tracer) -> Tracer:
    def trace(task_id: str, args: Any, kwargs: Any, request: dict[str, Any] | None = None) -> Any:
        run = partial(tracer, task_id, args, kwargs, request)
        return _run_for_sender(run, task=task.name, task_id=task_id, headers=request or {})

    return trace


def _run_for_sender(
    run: Callable[[], Any], *, task: str, task_id: str, headers: Mapping[str, Any]
) -> Any:
    """In a Context of its own: whatever a task sets and forgets is gone with it, on every pool."""
    return contextvars.Context().run(_enter_and_run, run, task, task_id, headers)


def _enter_and_run(
    run: Callable[[], Any], task: str, task_id: str, headers: Mapping[str, Any]
) -> Any:
    who = messages.attribution_of(headers, task=task, task_id=task_id)
    with attribution.acting(who), messages.forwarding():
        try:
            scope = _scope_of(headers)
        except TaskRefusedError as refusal:
            logger.warning("Task %s[%s] refused: %s", task, task_id, refusal)
            _refusal.set(refusal)
            return run()
        except DatabaseFailure as error:
            logger.warning("Task %s[%s] goes back to the queue: %s", task, task_id, error)
            time.sleep(_PAUSE_WITHOUT_DATABASE)
            _refusal.set(Reject(error, requeue=True))
            return run()
        return _run_in(scope, run, f"{task}[{task_id}]")


def _run_in(scope: context.Scope, run: Callable[[], Any], name: str) -> Any:
    outcome: list[Any] = []
    try:
        with context.entered(scope):
            outcome.append(run())
    except ContextOrderError:
        if not outcome:
            raise
        # The task is done and its Context is about to be dropped, with what was left open in it.
        logger.exception("Task %s left a context open", name)
    return outcome[0]


class ContextTask(Task):  # type: ignore[type-arg]  # Celery's own generic is untyped at run time
    """Carries the sender's scope and attribution in the message's headers and works in them.

    The tenant is looked up when the task runs. One that is gone, suspended or unnamed by then fails
    the task with TaskRefusedError before its body: acknowledged, logged, visible as its result.
    Called as a function, a task works in the context of its caller.
    """

    abstract = True
    # Expected: logged in one line, by the refusal itself at WARNING.
    throws = (TaskRefusedError,)
    __trace__ = _InSendersContext()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refusal = _refusal.get()
        if refusal is not None:
            raise refusal
        with messages.composing():
            return super().__call__(*args, **kwargs)

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        return super().apply_async(args, kwargs, **messages.seal(options))

    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Eager mode: in this process, in the context that the message would have carried."""
        sealed = messages.seal(options)
        task_id = sealed["task_id"] = sealed.get("task_id") or uuid()
        run = partial(super().apply, args, kwargs, **sealed)
        return _run_for_sender(run, task=self.name, task_id=task_id, headers=sealed["headers"])

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Also of a refused task; a class that overrides this calls it."""
        headers = self.request.headers or {}
        if messages.FAN_OUT in headers:
            fan_out.record_outcome(
                tenant_id=UUID(headers[messages.SCOPE]),
                task=self.name,
                run_id=UUID(headers[messages.FAN_OUT]),
                error=None if status == states.SUCCESS else repr(retval),
                at=timezone.now(),
            )

    def retry(self, *args: Any, **options: Any) -> Any:
        with messages.forwarding():
            return super().retry(*args, **options)


def _scope_of(headers: Mapping[str, Any]) -> context.Scope:
    """On whose behalf a received message is to be worked for, as of now.

    Raises:
        TaskRefusedError: the header is missing or malformed, or its tenant is gone or not active.
    """
    sent = headers.get(messages.SCOPE)
    if sent == messages.OPERATOR:
        return context.OPERATOR
    try:
        tenant = selectors.get_tenant_by_id(tenant_id=UUID(sent or ""))
    except (ValueError, TypeError, AttributeError, TenantNotFoundError):
        raise TaskRefusedError(f"no such scope: {str(sent)[:64]!r}") from None
    if tenant.state != TenantState.ACTIVE:
        raise TaskRefusedError(f"tenant {tenant.slug} is {tenant.state}")
    return tenant.identity
