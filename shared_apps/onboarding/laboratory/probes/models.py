"""The ORM: rows, instances and querysets of one tenant in the other's context."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import DatabaseError, connections, models, transaction

from shared_apps.core import context
from shared_apps.core.errors import AppError
from shared_apps.onboarding.laboratory import planting
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair, Subject


def probe(pair: Pair, record: Record) -> None:
    for asking, other in pair.directions():
        for model in planting.tenant_models():
            _sees_its_own(asking, other, model, record)
            _reads_need_a_context(model, record)
            _a_thread_inherits_nothing(asking, model, record)
            _a_queryset_does_not_change_sides(asking, other, model, record)
            _an_instance_does_not_change_sides(asking, other, model, record)


def _sees_its_own(
    asking: Subject, other: Subject, model: type[models.Model], record: Record
) -> None:
    with context.tenant(asking.identity):
        rows = list(model._base_manager.values())
    shown = str(rows)
    record.sightings += asking.owns(shown)
    record.expect(
        not other.owns(shown),
        f"{model._meta.label} as {asking.slug}",
        f"showed {other.slug}'s rows",
    )


def _reads_need_a_context(model: type[models.Model], record: Record) -> None:
    for name, read in _reads(model).items():
        with context.nobody():
            outcome = _refused(read)
        record.expect(
            outcome is None, f"{model._meta.label}.{name} without a context", outcome or ""
        )


def _a_thread_inherits_nothing(asking: Subject, model: type[models.Model], record: Record) -> None:
    def read() -> str | None:
        try:
            return _refused(model._base_manager.count)
        finally:
            connections.close_all()

    with context.tenant(asking.identity), ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(read).result()
    record.expect(outcome is None, f"{model._meta.label} in a thread of its own", outcome or "")


def _a_queryset_does_not_change_sides(
    asking: Subject, other: Subject, model: type[models.Model], record: Record
) -> None:
    with context.tenant(asking.identity):
        queryset = model._base_manager.all()
    with context.tenant(other.identity):
        try:
            with transaction.atomic():
                shown = str(list(queryset.values()))
        except (AppError, DatabaseError, RuntimeError):
            shown = ""
    record.expect(
        not (asking.owns(shown) and other.owns(shown)),
        f"a queryset of {model._meta.label} made as {asking.slug}, read as {other.slug}",
        "mixed both tenants' rows",
    )


def _an_instance_does_not_change_sides(
    asking: Subject, other: Subject, model: type[models.Model], record: Record
) -> None:
    with context.tenant(other.identity):
        instance = model._base_manager.first()
    assert instance is not None
    writes: dict[str, Callable[[], Any]] = {"save": instance.save, "delete": instance.delete}
    for name, write in writes.items():
        subject = f"{model._meta.label}.{name}() of {other.slug}'s instance as {asking.slug}"
        with context.tenant(asking.identity):
            outcome = _refused(_rolled_back(write))
        record.expect(outcome is None, subject, outcome or "")


def _reads(model: type[models.Model]) -> dict[str, Callable[[], Any]]:
    rows = model._base_manager
    return {
        "all": lambda: list(rows.all()[:1]),
        "exists": rows.exists,
        "count": rows.count,
        "iterator": lambda: list(rows.iterator()),
        "in_bulk": rows.in_bulk,
    }


def _rolled_back(write: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> None:
        with transaction.atomic():
            write()
            transaction.set_rollback(True)

    return run


def _refused(action: Callable[[], Any]) -> str | None:
    """None when an error stopped it before the database was asked; otherwise what happened."""
    try:
        action()
    except (AppError, RuntimeError, ValueError):
        return None
    except DatabaseError as error:
        return f"reached the database ({type(error).__name__})"
    return "was done"
