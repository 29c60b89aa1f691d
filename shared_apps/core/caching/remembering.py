"""Ask for what is kept; else compute it, once for everybody who asks for the same meanwhile."""

import logging
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from django.db import transaction

from shared_apps.core.caching import metrics, values
from shared_apps.core.caching.availability import Guarded, guarded
from shared_apps.core.caching.entities import Entity
from shared_apps.core.caching.names import Name, name_of
from shared_apps.core.caching.states import CacheState
from shared_apps.core.caching.store import FRESH, OLD, OTHERS, Asked
from shared_apps.core.caching.tiers import Tier

logger = logging.getLogger(__name__)

LARGEST_BYTES: Final = 1024 * 1024
"""More than this is computed each time; it would take the place of a thousand others."""
LONGEST_WAIT_SECONDS: Final = 10.0
"""For so long another's computing is waited for."""
_PAUSES: Final = (0.01, 0.02, 0.04, 0.08)


@dataclass(frozen=True, slots=True)
class Found:
    value: Any
    state: CacheState


def remember(
    entity: Entity,
    *,
    tier: Tier,
    filters: Mapping[str, object],
    permissions: Collection[str],
    compute: Callable[[], Any],
) -> Found:
    """What `compute` returns, or returned before for somebody with the same permissions in this context.

    It reads nothing but rows of `entity.reads`, and depends on nothing but the filters. What it returns is
    made of mappings, lists, texts, numbers, dates and UUIDs. In a transaction it is computed each time:
    that may see what is not committed, or no longer what is.

    Raises:
        TenantContextRequired: on nobody's behalf there is nothing.
        TypeError: a value that could not be kept, or a filter's.
    """
    if entity.is_restricted:
        metrics.count(tier, CacheState.BYPASS)
        return Found(compute(), CacheState.BYPASS)
    name = name_of(entity, tier=tier, filters=filters, permissions=permissions)
    search = _Search(guarded(), name, tier, compute)
    found = search.computed() if transaction.get_connection().in_atomic_block else search.find()
    metrics.count(tier, found.state)
    return found


class _Search:
    def __init__(self, store: Guarded, name: Name, tier: Tier, compute: Callable[[], Any]) -> None:
        self._store = store
        self._name = name
        self._tier = tier
        self._compute = compute
        self._token = uuid4().hex

    def find(self) -> Found:
        until = time.monotonic() + LONGEST_WAIT_SECONDS
        attempt = 0
        while True:
            asked = self._ask()
            if asked is None:
                return self.computed()
            if asked.state in (FRESH, OLD):
                return self._read(asked) or self.computed()
            if asked.state != OTHERS:
                return self._compute_for_all(asked)
            if time.monotonic() >= until:
                return self.computed()
            time.sleep(_pause(attempt))
            attempt += 1

    def _ask(self) -> Asked | None:
        return self._store.call(lambda store: store.ask(self._name, token=self._token))

    def _read(self, asked: Asked) -> Found | None:
        try:
            value = values.load(asked.value or b"")
        except ValueError:
            logger.error("What is kept under %s cannot be read", self._name.entry)
            return None
        return Found(value, CacheState.HIT if asked.state == FRESH else CacheState.STALE)

    def _compute_for_all(self, asked: Asked) -> Found:
        """The version was read before: what changes from here on makes this old."""
        kept = False
        try:
            value = self._compute()
            text = values.dump(value)
            if len(text) <= LARGEST_BYTES:
                kept = True
                self._store.call(
                    lambda store: store.keep(
                        self._name, asked=asked, token=self._token, value=text, tier=self._tier
                    )
                )
        finally:
            if not kept:
                self._store.call(
                    lambda store: store.release(self._name, asked=asked, token=self._token)
                )
        return Found(value, CacheState.MISS)

    def computed(self) -> Found:
        return Found(self._compute(), CacheState.MISS)


def _pause(attempt: int) -> float:
    # At random, else those who wait ask at the same moments.
    return _PAUSES[min(attempt, len(_PAUSES) - 1)] * random.uniform(0.5, 1.5)  # noqa: S311  # no secret
