"""The cache of one tenant is not the cache of another, whatever is asked of it and from where."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from asgiref.sync import async_to_sync
from django.core.asgi import get_asgi_application
from django.core.cache import cache, caches
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from tests.client import Api
from tests.installation import Installation


# No database is touched here but by views, so there is nothing to clean but the cache.
@pytest.fixture
def acme(installation: Installation) -> TenantIdentity:
    return installation.tenants["acme"]


@pytest.fixture
def globex(installation: Installation) -> TenantIdentity:
    return installation.tenants["globex"]


@pytest.fixture(autouse=True)
def _empty(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[None]:
    yield
    for scope in (context.tenant(acme), context.tenant(globex), context.operator()):
        with scope:
            cache.clear()


USES: dict[str, Callable[[], Any]] = {
    "set": lambda: cache.set("key", 1),
    "get": lambda: cache.get("key"),
    "add": lambda: cache.add("key", 1),
    "get_or_set": lambda: cache.get_or_set("key", 1),
    "get_many": lambda: cache.get_many(["key"]),
    "set_many": lambda: cache.set_many({"key": 1}),
    "has_key": lambda: cache.has_key("key"),
    "contains": lambda: "key" in cache,
    "incr": lambda: cache.incr("key"),
    "decr": lambda: cache.decr("key"),
    "incr_version": lambda: cache.incr_version("key"),
    "touch": lambda: cache.touch("key"),
    "delete": lambda: cache.delete("key"),
    "delete_many": lambda: cache.delete_many(["key"]),
    "delete_pattern": lambda: cache.delete_pattern("*"),
    "keys": lambda: cache.keys("*"),
    "iter_keys": lambda: list(cache.iter_keys("*")),
    "ttl": lambda: cache.ttl("key"),
    "expire": lambda: cache.expire("key", 1),
    "persist": lambda: cache.persist("key"),
    "lock": lambda: cache.lock("key"),
    "sadd": lambda: cache.sadd("key", 1),
    "hset": lambda: cache.hset("key", "field", 1),
    "zadd": lambda: cache.zadd("key", {"member": 1}),
    "clear": lambda: cache.clear(),
    "aget": lambda: async_to_sync(cache.aget)("key"),
    "aset": lambda: async_to_sync(cache.aset)("key", 1),
    "aclear": lambda: async_to_sync(cache.aclear)(),
}


@pytest.mark.parametrize("use", USES)
def test_nobodys_context_is_an_error(acme: TenantIdentity, use: str) -> None:
    with context.nobody(), pytest.raises(TenantContextRequired):
        USES[use]()


@pytest.mark.parametrize("use", USES)
def test_nothing_of_globex_changes_what_acme_has(
    acme: TenantIdentity, globex: TenantIdentity, use: str
) -> None:
    with context.tenant(acme):
        cache.set("key", 41)
    with context.tenant(globex):
        try:
            USES[use]()
        except ValueError:
            pass  # there is no such key to count: right
    with context.tenant(acme):
        assert cache.get("key") == 41
        assert cache.ttl("key") > 200


def test_the_operator_has_a_cache_of_its_own(acme: TenantIdentity) -> None:
    with context.operator():
        cache.set("key", "operator")
    with context.tenant(acme):
        assert cache.get("key") is None
        cache.set("key", "acme")
    with context.operator():
        assert cache.get("key") == "operator"


def test_many_counters_and_sets_are_apart(acme: TenantIdentity, globex: TenantIdentity) -> None:
    for tenant, start in ((acme, 10), (globex, 20)):
        with context.tenant(tenant):
            cache.set_many({"a": start, "b": start + 1})
            cache.incr("a", 5)
            cache.sadd("set", start)
    with context.tenant(acme):
        assert cache.get_many(["a", "b"]) == {"a": 15, "b": 11}
        assert cache.smembers("set") == {10}
    with context.tenant(globex):
        assert cache.get_many(["a", "b"]) == {"a": 25, "b": 21}
        assert sorted(cache.keys("*")) == ["a", "b", "set"]


def test_a_lock_of_acme_does_not_stop_globex(acme: TenantIdentity, globex: TenantIdentity) -> None:
    with context.tenant(acme), cache.lock("job", timeout=5):
        with context.tenant(globex):
            assert cache.lock("job", timeout=5).acquire(blocking=False)
        assert not cache.lock("job", timeout=5).acquire(blocking=False)


def test_clear_empties_one_tenant_for_every_process(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex):
        with context.tenant(tenant):
            cache.set_many({f"key-{number}": number for number in range(2500)})
            cache.set("other version", 1, version=2)
            caches["sessions"].set("session", tenant.slug)

    with context.tenant(acme):
        cache.clear()

    other_process = ThreadPoolExecutor(1)  # a thread has a client of its own, as a process has

    def count(tenant: TenantIdentity) -> int:
        with context.tenant(tenant):
            return len(cache.keys("*")) + len(cache.keys("*", version=2))

    assert count(acme) == other_process.submit(count, acme).result() == 0
    assert count(globex) == other_process.submit(count, globex).result() == 2501
    with context.tenant(acme):
        assert caches["sessions"].get("session") == "acme"
    other_process.shutdown()


def test_two_clears_and_a_writer_at_once_do_no_harm(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(globex):
        cache.set("key", "stays")

    def write(number: int) -> None:
        with context.tenant(acme):
            for round_ in range(200):
                cache.set(f"{number}-{round_}", 1)

    def clear(_: int) -> None:
        with context.tenant(acme):
            for _round in range(10):
                cache.clear()

    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda work: work[0](work[1]), [(write, 1), (clear, 2), (write, 3), (clear, 4)]
            )
        )
    with context.tenant(acme):
        cache.clear()
        assert cache.keys("*") == []
    with context.tenant(globex):
        assert cache.get("key") == "stays"


HOSTILE_KEYS = [
    "a:b", ":1:key", "../key", "*", "?[a-z]", "\\*", "\r\nFLUSHALL\r\n", "\0", "ключ", "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_no_key_reaches_out_of_its_tenant(
    acme: TenantIdentity, globex: TenantIdentity, key: str
) -> None:
    with context.tenant(globex):
        cache.set("key", "globex")
    with context.tenant(acme):
        cache.set(key, "acme")
        cache.set("named", 1, version=f"1:{key}")
        assert cache.get(key) == "acme"
        assert cache.get("named", version=f"1:{key}") == 1
        cache.delete_pattern(key)
        cache.delete_pattern(f"*{globex.id.hex}*")
    with context.tenant(globex):
        assert cache.keys("*") == ["key"]
        assert cache.get("key") == "globex"


def test_no_argument_changes_whose_it_is(acme: TenantIdentity, globex: TenantIdentity) -> None:
    with context.tenant(globex):
        cache.set("key", "globex")
        made = caches["default"].client.make_key("key")  # type: ignore[attr-defined]
    with context.tenant(acme):
        with pytest.raises(TenantContextRequired):
            cache.get(made)
        with pytest.raises(ValueError, match="prefix"):
            cache.delete("key", prefix=str(made))
        with pytest.raises(ValueError, match="prefix"):
            cache.delete_pattern("*", prefix=f"*{globex.id.hex}*")
    with context.tenant(globex):
        assert cache.get("key") == "globex"


def test_a_tenant_made_again_finds_nothing_of_its_predecessor(acme: TenantIdentity) -> None:
    with context.tenant(acme):
        cache.set("key", "old")
    with context.tenant(replace(acme, id=uuid.uuid4())):
        assert cache.get("key") is None


def test_a_context_of_an_unknown_kind_is_refused(acme: TenantIdentity) -> None:
    class Unheard:
        pass

    with context._entered(Unheard()), pytest.raises(TenantContextRequired):  # type: ignore[arg-type]
        cache.get("key")


async def remember(request: HttpRequest) -> JsonResponse:
    """Answers what was in the cache before, and puts the host there; in a thread and in the loop."""
    before = [await cache.aget("host"), cache.get("host in loop")]
    await asyncio.sleep(0.01)
    await cache.aset("host", request.get_host())
    cache.set("host in loop", request.get_host())
    return JsonResponse(
        {"before": before, "now": [await cache.aget("host"), cache.get("host in loop")]}
    )


class OncePerDay(SimpleRateThrottle):
    scope = "once"
    THROTTLE_RATES = {"once": "1/day"}

    def get_cache_key(self, request: Any, view: Any) -> str:
        return str(self.get_ident(request))


class ThrottledView(APIView):
    authentication_classes = []
    permission_classes = []
    throttle_classes = [OncePerDay]

    def get(self, request: Any) -> Response:
        return Response()


urlpatterns = [path("remember", remember), path("throttled", ThrottledView.as_view())]


@override_settings(ROOT_URLCONF=__name__)
def test_an_async_view_has_the_cache_of_its_host(
    in_process_asgi: None, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """Through Django's real ASGI handler, one after the other and forty at once."""

    async def ask(tenant: TenantIdentity) -> dict[str, Any]:
        transport = httpx.ASGITransport(get_asgi_application())
        address = f"http://{tenant.slug}.localhost"
        async with httpx.AsyncClient(transport=transport, base_url=address) as client:
            loaded: dict[str, Any] = (await client.get("/remember")).json()
            return loaded

    async def ask_all() -> None:
        assert await ask(acme) == {"before": [None] * 2, "now": ["acme.localhost"] * 2}
        assert await ask(globex) == {"before": [None] * 2, "now": ["globex.localhost"] * 2}
        answers = await asyncio.gather(*(ask(tenant) for tenant in [acme, globex] * 20))
        for number, answer in enumerate(answers):
            own = [("acme", "globex")[number % 2] + ".localhost"] * 2
            assert answer == {"before": own, "now": own}

    async_to_sync(ask_all)()


@override_settings(ROOT_URLCONF=__name__)
def test_a_limit_that_acme_has_reached_does_not_stop_globex(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    """The framework's throttles count in the cache, by the client's address."""
    assert [api(acme).get("/throttled").status_code for _ in range(2)] == [200, 429]
    assert api(globex).get("/throttled").status_code == 200


def test_without_redis_values_are_computed_and_nothing_is_forgotten_silently(
    acme: TenantIdentity,
) -> None:
    unreachable = {
        name: {**settings, "LOCATION": "redis://127.0.0.1:1/0"}
        for name, settings in caches.settings.items()
    }
    with context.tenant(acme):
        cache.set("key", "kept")
    with override_settings(CACHES=unreachable), context.tenant(acme):
        assert cache.get("key", "computed") == "computed"
        assert cache.get_or_set("key", lambda: "computed") == "computed"
        assert cache.get_many(["key"]) == {}
        assert "key" not in cache
        assert not cache.set("key", 1)
        assert not cache.add("key", 1)
        assert cache.set_many({"key": 1}) == ["key"]
        for removing in (cache.clear, lambda: cache.delete("key"), lambda: cache.incr("key")):
            with pytest.raises(redis.ConnectionError):
                removing()
        with pytest.raises(redis.ConnectionError):
            caches["sessions"].get("key")
    with context.tenant(acme):
        assert cache.get("key") == "kept"


def test_the_stock_key_function_leaks_in_an_async_view_and_clears_everybody() -> None:
    """What the tests above would see with django-tenants' own part: seen, in a process of its own."""
    probe = Path(__file__).parent / "stock" / "cache_probe.py"
    run = subprocess.run(
        [sys.executable, probe], capture_output=True, text=True, env={}, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "sync": {"acme": "acme", "globex": "globex"},
        "async": {"acme": "acme", "globex": "acme"},
        "left to globex after acme's clear": None,
    }
