"""Threads, executors and generators: a context is handed over in so many words, or there is none."""

import asyncio
import gc
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async

from shared_apps.core import attribution, context
from shared_apps.core.errors import ContextOrderError, TenantContextRequired


def _identity(slug: str) -> context.TenantIdentity:
    return context.TenantIdentity(id=uuid4(), slug=slug, schema=f"t_{slug}", role=f"r_{slug}")


ACME, GLOBEX = _identity("acme"), _identity("globex")


def _slug() -> str:
    return context.require_tenant().slug


def test_an_executor_gets_no_context_by_itself() -> None:
    with context.tenant(ACME), ThreadPoolExecutor(1) as pool:
        with pytest.raises(TenantContextRequired):
            pool.submit(_slug).result()
        assert pool.submit(context.bound(_slug)).result() == "acme"
        # Nor does the next job find what the one before was handed.
        with pytest.raises(TenantContextRequired):
            pool.submit(_slug).result()


def test_a_bound_function_keeps_its_context_and_attribution_when_the_caller_moves_on() -> None:
    with context.tenant(ACME), attribution.acting(attribution.Attribution(request_id="r1")):
        bound = context.bound(lambda: (_slug(), attribution.current().request_id))
    with context.tenant(GLOBEX):
        assert bound() == ("acme", "r1")
        assert _slug() == "globex"
    assert bound() == ("acme", "r1")


def test_a_bound_function_runs_in_many_threads_at_once() -> None:
    barrier = threading.Barrier(8)

    def work() -> str:
        barrier.wait(timeout=10)
        return _slug()

    with ThreadPoolExecutor(8) as pool:
        jobs = []
        for tenant in (ACME, GLOBEX) * 4:
            with context.tenant(tenant):
                jobs.append(pool.submit(context.bound(work)))
        assert [job.result() for job in jobs] == ["acme", "globex"] * 4


def test_nothing_is_bound_to_nobody() -> None:
    with pytest.raises(TenantContextRequired):
        context.bound(_slug)
    with pytest.raises(TenantContextRequired):
        context.handed_over([])


def test_asyncio_and_asgiref_hand_over_but_run_in_executor_does_not() -> None:
    async def probe(tenant: context.TenantIdentity) -> list[str]:
        with context.tenant(tenant):
            loop = asyncio.get_running_loop()
            seen = [
                await asyncio.to_thread(_slug),
                await sync_to_async(_slug, thread_sensitive=False)(),
                await asyncio.create_task(_async_slug()),
                await loop.run_in_executor(None, context.bound(_slug)),
            ]
            with pytest.raises(TenantContextRequired):
                await loop.run_in_executor(None, _slug)
            return seen

    async def both() -> list[list[str]]:
        return await asyncio.gather(*(probe(tenant) for tenant in (ACME, GLOBEX) * 5))

    assert asyncio.run(both()) == [["acme"] * 4, ["globex"] * 4] * 5


async def _async_slug() -> str:
    await asyncio.sleep(0)
    return _slug()


def test_a_decorator_is_shared_by_threads_without_mixing() -> None:
    barrier = threading.Barrier(8)

    def meet() -> str:
        barrier.wait(timeout=10)
        return _slug()

    decorated: dict[int, Callable[[], str]] = {
        0: context.tenant(ACME)(meet),  # type: ignore[operator]  # a ContextDecorator at run time
        1: context.tenant(GLOBEX)(meet),  # type: ignore[operator]
    }

    def work(number: int) -> tuple[str, object]:
        return decorated[number % 2](), context.current()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [("acme", None), ("globex", None)] * 4


def test_a_context_ends_with_the_thread_that_fails_in_it() -> None:
    def fail() -> None:
        with context.tenant(ACME):
            raise ZeroDivisionError

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ZeroDivisionError):
            pool.submit(fail).result()
        assert pool.submit(context.current).result() is None


def _inside(tenant: context.TenantIdentity) -> Iterator[str]:
    with context.tenant(tenant):
        for _ in range(3):
            yield _slug()


def test_interleaved_generators_raise_instead_of_swapping_tenants() -> None:
    def interleave() -> None:
        first, second = _inside(ACME), _inside(GLOBEX)
        next(first)
        next(second)
        with pytest.raises(ContextOrderError):
            first.close()
        assert context.current() is None
        with pytest.raises(ContextOrderError):
            second.close()
        assert context.current() is None

    context.copy_context().run(interleave)


def test_generators_that_are_handed_over_leave_their_consumer_alone() -> None:
    with context.operator():
        first, second = context.handed_over(_inside(ACME)), context.handed_over(_inside(GLOBEX))
        for _ in range(3):
            assert (next(first), context.current()) == ("acme", context.OPERATOR)
            assert (next(second), context.current()) == ("globex", context.OPERATOR)
        assert (list(first), list(second)) == ([], [])
    assert context.current() is None


def test_a_generator_that_is_handed_over_may_be_abandoned() -> None:
    with context.operator():
        abandoned = context.handed_over(_inside(ACME))
        next(abandoned)
    with context.tenant(GLOBEX):
        del abandoned
        gc.collect()
        assert _slug() == "globex"


def test_a_stream_outlives_the_block_that_starts_it() -> None:
    def rows() -> Iterator[str]:
        for _ in range(3):
            yield _slug()

    with context.tenant(ACME):
        stream = context.handed_over(rows())
    with context.tenant(GLOBEX):
        assert list(stream) == ["acme"] * 3
        assert _slug() == "globex"


def test_an_async_generator_that_another_task_finishes_does_not_touch_that_tasks_context() -> None:
    async def inside() -> AsyncIterator[str]:
        with context.tenant(ACME):
            yield _slug()
            yield _slug()

    async def start(generator: AsyncIterator[str]) -> str:
        return await anext(generator)

    async def finish(generator: AsyncIterator[str]) -> str:
        with context.tenant(GLOBEX):
            with pytest.raises(ContextOrderError):
                await generator.aclose()  # type: ignore[attr-defined]
            return _slug()

    async def main() -> tuple[str, str, object]:
        generator = inside()
        started = await asyncio.create_task(start(generator))
        return started, await asyncio.create_task(finish(generator)), context.current()

    assert asyncio.run(main()) == ("acme", "globex", None)


@pytest.mark.parametrize("error", [TenantContextRequired, ContextOrderError])
def test_an_error_survives_the_way_between_processes(error: type[Exception]) -> None:
    """One that does not takes a whole Celery worker down."""
    assert str(pickle.loads(pickle.dumps(error()))) == str(error())
