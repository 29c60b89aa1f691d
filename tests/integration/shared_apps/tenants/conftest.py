from collections.abc import Iterator
from uuid import uuid4

import pytest

from shared_apps.core import attribution
from tests.workers import Worker


@pytest.fixture(params=["prefork", "threads", "eager"])
def queue(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where messages go: a real worker of either pool, or nowhere because they are run at once."""
    from config.celery import app

    if request.param == "eager":
        app.conf.task_always_eager = True
        yield "eager"
        app.conf.task_always_eager = False
        return
    workers: dict[str, Worker] = request.getfixturevalue("workers")
    yield workers[request.param].queue


@pytest.fixture(params=["prefork", "threads"])
def worker(request: pytest.FixtureRequest, workers: dict[str, Worker]) -> Worker:
    return workers[request.param]


@pytest.fixture
def caller() -> Iterator[attribution.Attribution]:
    """Everything in the test is done by this person, in this request."""
    who = attribution.Attribution(user_id=uuid4(), request_id=f"req-{uuid4().hex}")
    with attribution.acting(who):
        yield who
