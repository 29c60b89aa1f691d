"""Both tenants at once: threads and asyncio tasks in one process, over the same connections."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import async_to_sync
from django.db import connections

from shared_apps.core import context
from shared_apps.onboarding.laboratory import addresses, planting
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair, Subject
from shared_apps.onboarding.laboratory.visitors import Visitor, content_of

THREADS = 8
ROUNDS = 50
_TASKS = 40


def probe(pair: Pair, record: Record) -> None:
    visitors = []
    for subject in (pair.a, pair.b):
        visitor = Visitor(subject)
        visitor.sign_in()
        visitors.append(visitor)
    paths = _lists(visitors[0])
    with ThreadPoolExecutor(THREADS) as pool:
        for record_of_thread in pool.map(
            lambda seed: _in_a_thread(pair, visitors, paths, seed), range(THREADS)
        ):
            _add(record, record_of_thread)
    async_to_sync(_concurrently)(pair, visitors, paths, record)


def _lists(visitor: Visitor) -> list[str]:
    """Addresses without parameters that answer with the tenant's marker."""
    paths = [str(route) for route in addresses.routes() if not route.has_parameters]
    return [
        path for path in paths if visitor.subject.marker in content_of(visitor.send("GET", path))
    ]


def _in_a_thread(pair: Pair, visitors: list[Visitor], paths: list[str], seed: int) -> Record:
    record, choice = Record("interleaving"), random.Random(seed)  # noqa: S311 (an order, not a secret)
    models = planting.tenant_models()
    try:
        for _ in range(ROUNDS):
            index = choice.randrange(2)
            asking, other = pair.directions()[index]
            path = choice.choice(paths)
            _judge(content_of(visitors[index].send("GET", path)), asking, other, path, record)
            model = choice.choice(models)
            with context.tenant(asking.identity):
                shown = str(list(model._base_manager.values()))
            _judge(shown, asking, other, model._meta.label, record)
    finally:
        connections.close_all()
    return record


async def _concurrently(
    pair: Pair, visitors: list[Visitor], paths: list[str], record: Record
) -> None:
    models = planting.tenant_models()

    async def ask(number: int) -> None:
        index = number % 2
        asking, other = pair.directions()[index]
        path = paths[number % len(paths)]
        content = content_of(await visitors[index].asend(path))
        _judge(content, asking, other, f"async {path}", record)
        model = models[number % len(models)]
        with context.tenant(asking.identity):
            shown = str([row async for row in model._base_manager.values()])
        _judge(shown, asking, other, f"async {model._meta.label}", record)

    await asyncio.gather(*(ask(number) for number in range(_TASKS)))


def _judge(shown: str, asking: Subject, other: Subject, subject: str, record: Record) -> None:
    found = other.found_in(shown)
    record.sightings += asking.owns(shown)
    record.expect(found is None, f"{subject} at {asking.slug}", f"showed {found} of {other.slug}")


def _add(record: Record, part: Record) -> None:
    record.checks += part.checks
    record.sightings += part.sightings
    record.leaks += part.leaks
