"""Figures that lie in a database or in Redis: asked for when somebody looks, at most every few seconds.

They are the whole installation's, so every process would tell the same: web processes do. What one has
gathered is kept in Redis for the others.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared_apps.core import redis_keys
from shared_apps.core.deadline import DeadlineError, Inquiry

logger = logging.getLogger(__name__)

LIFE = 10.0  # seconds
_PATIENCE = 3.0  # seconds
_FAILURES = (DatabaseError, psycopg.Error, redis.RedisError, OSError, DeadlineError)


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    documentation: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    family: str
    value: float
    labels: tuple[str, ...] = ()


Ask = Callable[[], Iterable[Sample]]


@dataclass(frozen=True)
class _Source:
    families: tuple[Family, ...]
    inquiry: Inquiry


@dataclass(frozen=True, slots=True)
class _Gathered:
    at: float
    """By the wall clock, which processes of several machines have in common."""
    samples: tuple[Sample, ...]
    working: dict[str, bool]


_sources: dict[str, _Source] = {}
_lock = threading.Lock()
_last: list[_Gathered] = []


def register(source: str, *families: Family, ask: Ask) -> None:
    """`ask` is called without a context and says what the families hold now."""
    _sources[source] = _Source(families, Inquiry(lambda: tuple(ask())))


def families() -> dict[str, tuple[Family, ...]]:
    return {name: source.families for name, source in _sources.items()}


class StoredFigures(Collector):
    """For a registry that is made when somebody looks."""

    def collect(self) -> Iterator[Metric]:
        gathered = _gather()
        up = GaugeMetricFamily(
            "freehold_stored_figures_up", "Whether the source could be asked.", labels=("source",)
        )
        for name, works in sorted(gathered.working.items()):
            up.add_metric((name,), float(works))
        yield up
        for family in (family for source in _sources.values() for family in source.families):
            metric = GaugeMetricFamily(family.name, family.documentation, labels=family.labels)
            for sample in gathered.samples:
                if sample.family == family.name:
                    metric.add_metric(sample.labels, sample.value)
            yield metric


def _gather() -> _Gathered:
    with _lock:
        known = _last[0] if _last else None
        if known is None or not _is_fresh(known):
            known = _kept() or _ask_all()
            _last[:] = [known]
        return known


def _is_fresh(gathered: _Gathered) -> bool:
    return 0 <= time.time() - gathered.at < LIFE


def _ask_all() -> _Gathered:
    samples: list[Sample] = []
    working = {}
    due = time.monotonic() + _PATIENCE
    # All at once: what hangs costs the others nothing.
    started = {name: source.inquiry.begin() for name, source in _sources.items()}
    for name, asked in started.items():
        try:
            samples += asked.answer(seconds=max(0.0, due - time.monotonic()))
            working[name] = True
        except _FAILURES as error:
            logger.warning("No figures of %s: %s", name, type(error).__name__)
            working[name] = False
    gathered = _Gathered(time.time(), tuple(samples), working)
    _keep(gathered)
    return gathered


def _key() -> str:
    return redis_keys.installation("metrics")


def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def _kept() -> _Gathered | None:
    """What another process has gathered, while it is fresh."""
    try:
        with _client() as client:
            text = client.get(_key())
        stored = json.loads(text) if text else None
        if stored is None:
            return None
        samples = tuple(
            Sample(sample["family"], sample["value"], tuple(sample["labels"]))
            for sample in stored["samples"]
        )
        gathered = _Gathered(stored["at"], samples, stored["working"])
    except (redis.RedisError, ValueError, KeyError, TypeError):
        return None
    return gathered if _is_fresh(gathered) else None


def _keep(gathered: _Gathered) -> None:
    try:
        with _client() as client:
            client.set(_key(), json.dumps(asdict(gathered)), px=int(LIFE * 1000))
    except redis.RedisError:
        pass  # each process asks for itself then
