"""What an instance was when it was loaded or last saved: kept at almost no cost, looked at when asked.

The tuple that came from the database is kept as it is; values that can be changed in place are kept as
bytes. Nothing is compared before somebody asks.
"""

import pickle
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any, Final

from django.db import models
from django.db.models.fields.files import FieldFile

from shared_apps.audit.capture import REDACTED, REDACTED_CHANGED
from shared_apps.audit.values import as_recorded

_IN_PLACE: Final = ("JSONField", "ArrayField", "HStoreField")


KEPT: Final = "_audit_kept"
"""Where an instance keeps (names, values)."""


class _Unknown:
    """Not loaded, or an expression that the database will compute."""


UNKNOWN: Final = _Unknown()


@cache
def changeable(model: type[models.Model]) -> frozenset[str]:
    """Columns whose values may be changed without being assigned."""
    return frozenset(
        field.attname
        for field in model._meta.concrete_fields
        if field.get_internal_type() in _IN_PLACE or hasattr(field, "base_field")
    )


def keep(instance: models.Model, names: Collection[str], values: Collection[Any]) -> None:
    """Of a row that was loaded."""
    if in_place := changeable(type(instance)):
        values = [
            pickle.dumps(value) if name in in_place else value
            for name, value in zip(names, values, strict=True)
        ]
    instance.__dict__[KEPT] = (names, values)


def keep_current(instance: models.Model, only: Collection[str] | None) -> None:
    """After a save, or after fields were loaded again; `only`: names of the fields concerned."""
    known = dict(zip(*instance.__dict__.get(KEPT, ((), ())), strict=True))
    in_place = changeable(type(instance))
    for field in _fields(instance):
        if only is None or field.name in only or field.attname in only:
            value = _current(instance, field)
            if value is UNKNOWN:
                known.pop(field.attname, None)
            else:
                known[field.attname] = pickle.dumps(value) if field.attname in in_place else value
    instance.__dict__[KEPT] = (tuple(known), tuple(known.values()))


def changes(instance: models.Model) -> Iterator[tuple["models.Field[Any, Any]", Any, Any]]:
    """(field, old, new) as recorded; each of both may be UNKNOWN."""
    known = dict(zip(*instance.__dict__.get(KEPT, ((), ())), strict=True))
    in_place = changeable(type(instance))
    for field in _fields(instance):
        if field.attname not in instance.__dict__:
            continue  # deferred: nobody has touched it
        new = _current(instance, field)
        if new is not UNKNOWN:
            new = as_recorded(field, new)
        if instance._state.adding:
            yield field, None, new
            continue
        old: Any = UNKNOWN
        if field.attname in known:
            old = known[field.attname]
            old = as_recorded(field, pickle.loads(old) if field.attname in in_place else old)  # noqa: S301 (our own bytes)
        if old is UNKNOWN or new is UNKNOWN or old != new:
            yield field, old, new


def difference(
    instance: models.Model, *, exclude: Iterable[str], redact: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Column → `{"old": …, "new": …}` as an entry would say it; what is not known is left out."""
    found: dict[str, dict[str, Any]] = {}
    for field, old, new in changes(instance):
        if field.name in exclude:
            continue
        if field.name in redact:
            old, new = (
                (REDACTED, REDACTED_CHANGED) if not instance._state.adding else (None, REDACTED)
            )
        both = {"old": old, "new": new}
        found[str(field.column)] = {side: v for side, v in both.items() if v is not UNKNOWN}
    return found


def _fields(instance: models.Model) -> Iterator["models.Field[Any, Any]"]:
    """Without those that the database computes from others."""
    return (field for field in instance._meta.concrete_fields if not field.generated)


def _current(instance: models.Model, field: "models.Field[Any, Any]") -> Any:
    value = instance.__dict__.get(field.attname, UNKNOWN)
    if isinstance(value, FieldFile):
        return value.name  # the object itself takes a new name in its place
    return UNKNOWN if hasattr(value, "resolve_expression") else value
