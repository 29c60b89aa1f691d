"""Background work: that it runs in its sender's tenant, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from celery import current_app
from kombu.utils.imports import symbol_by_name

from shared_apps.core import context
from shared_apps.core.errors import AppError
from shared_apps.onboarding.laboratory import planting
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair

_WITNESS = "laboratory.witness"


def probe(pair: Pair, record: Record) -> None:
    current_app.loader.import_default_modules()
    base = symbol_by_name(str(current_app.task_cls))
    for name, task in sorted(current_app.tasks.items()):
        if not name.startswith("celery."):
            record.expect(
                isinstance(task, base),
                f"task {name}",
                "does not derive from the application's task class, which enters the tenant",
            )
    witness, seen = _witness()
    try:
        for asking, other in pair.directions():
            with context.tenant(asking.identity), _eager():
                witness.apply_async()
            shown = seen.pop() if seen else ""
            record.sightings += asking.owns(shown)
            record.expect(asking.owns(shown), f"a task sent by {asking.slug}", "did not run for it")
            record.expect(
                not other.owns(shown),
                f"a task sent by {asking.slug}",
                f"showed {other.slug}'s rows",
            )
        for subject, headers in _UNSERVED.items():
            # As the operator, who may name any tenant: what counts is what runs.
            with context.operator(), suppress(AppError):
                witness.apply(headers=headers)
            record.expect(not seen, subject, "was run")
            seen.clear()
    finally:
        current_app.tasks.pop(_WITNESS, None)


# A scope in the headers counts; what the caller's context is does not.
_UNSERVED: dict[str, dict[str, Any]] = {
    "a task of a tenant that is gone": {"scope": str(uuid4()), "_schema_name": "t_gone"},
    "a task whose scope is no identity": {"scope": "t_acme; --", "_schema_name": "t_acme; --"},
}


@contextmanager
def _eager() -> Iterator[None]:
    """Tasks run at once in this process, through the headers that a message would have carried."""
    configuration = current_app.conf
    before = configuration.task_always_eager
    configuration.task_always_eager = True
    try:
        yield
    finally:
        configuration.task_always_eager = before


def _witness() -> tuple[Any, list[str]]:
    seen: list[str] = []

    @current_app.task(name=_WITNESS)
    def witness(**_: Any) -> None:
        seen.append(
            "".join(str(list(model._base_manager.values())) for model in planting.tenant_models())
        )

    return witness, seen
