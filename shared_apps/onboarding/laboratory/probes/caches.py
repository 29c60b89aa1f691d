"""Each cache of CACHES: what one tenant keeps, asked for and cleared by the other."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.core.cache import BaseCache, caches

from shared_apps.core import context
from shared_apps.core.errors import AppError
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair, Subject

_KEY = "leak-laboratory"


def probe(pair: Pair, record: Record) -> None:
    for alias in caches:
        cache = caches[alias]
        try:
            _examine(pair, alias, cache, record)
        finally:
            for subject in (pair.a, pair.b):
                with context.tenant(subject.identity):
                    cache.delete(_KEY)


def _examine(pair: Pair, alias: str, cache: BaseCache, record: Record) -> None:
    for asking, other in pair.directions():
        with context.tenant(other.identity):
            cache.set(_KEY, other.marker)
            stored = cache.make_key(_KEY)
        with context.tenant(asking.identity):
            cache.delete(_KEY)
            for name, read in _reads(cache, stored).items():
                _must_not_find(f"{alias}.{name} as {asking.slug}", read, other, record)
            cache.set(_KEY, asking.marker)
            record.sightings += cache.get(_KEY) == asking.marker
        _with_no_context(alias, cache, record)
    for asking, other in pair.directions():
        with context.tenant(asking.identity):
            cache.clear()
        with context.tenant(other.identity):
            kept = cache.get(_KEY) == other.marker
            record.expect(kept, f"{alias}.clear() as {asking.slug}", f"emptied {other.slug}'s")
            cache.set(_KEY, other.marker)
        with context.tenant(asking.identity):
            cache.set(_KEY, asking.marker)


def _reads(cache: BaseCache, stored: str) -> dict[str, Callable[[], Any]]:
    return {
        "get": lambda: cache.get(_KEY),
        "aget": lambda: async_to_sync(cache.aget)(_KEY),
        "get_many": lambda: cache.get_many([_KEY]),
        "has_key": lambda: _KEY if cache.has_key(_KEY) else None,
        "get of the other's whole key": lambda: cache.get(stored),
        "get with a delimiter": lambda: cache.get(f":{_KEY}"),
    }


def _must_not_find(subject: str, read: Callable[[], Any], other: Subject, record: Record) -> None:
    try:
        found = read()
    except (AppError, RuntimeError, ValueError):
        found = None
    record.expect(
        not found or (found != _KEY and not other.owns(str(found))), subject, "found the other's"
    )


def _with_no_context(alias: str, cache: BaseCache, record: Record) -> None:
    with context.nobody():
        try:
            cache.set(_KEY, "nobody's")
        except (AppError, RuntimeError, ValueError):
            refused = True
        else:
            refused = False
    record.expect(refused, f"{alias}.set without a context", "was done")
