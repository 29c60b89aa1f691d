"""Limits over real processes, and while Redis is gone."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from scripts.stack.binaries import ensure_binaries
from scripts.stack.redis_server import EmbeddedRedis
from shared_apps.core.context import TenantIdentity
from shared_apps.core.limits import TenantQuotas
from shared_apps.tenants import services
from tests.client import Api
from tests.server import Server, serving
from tests.waiting import wait_until

ApiFactory = Callable[..., Api]
_THREADS = 40


class Asking:
    """A person on a connection of its own, so that every process gets some."""

    def __init__(self, server: Server, tenant: TenantIdentity, client: Api) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"Host": server.host(tenant), **client.headers}

    def ask(self) -> HTTPResponse:
        self._connection.request("GET", "/api/v1/auth/user/", headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer

    def left(self) -> int:
        """What the answer says of the requests that are left."""
        return int(self.ask().headers["RateLimit-Remaining"])

    def close(self) -> None:
        self._connection.close()


def ask(server: Server, tenant: TenantIdentity, client: Api, *, times: int) -> Counter[int]:
    """Statuses of so many requests over forty connections at once."""
    found: list[int] = []

    def work() -> None:
        with closing(Asking(server, tenant, client)) as person:
            found.extend(person.ask().status for _ in range(times // _THREADS))

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == times
    return Counter(found)


def test_two_thousand_requests_at_four_processes_are_a_hundred(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    client, stranger = api(acme, role="viewer"), api(globex, role="viewer")
    limits = {"RATE_LIMIT_PERSON": "100", "RATE_LIMIT_TIMEOUT_MS": "10000"}
    with serving(workers=4, environment=limits) as server:
        began_at = time.monotonic()
        found = ask(server, acme, client, times=2000)
        # A machine that takes longer than the window sees it slide.
        windows = 1 + int((time.monotonic() - began_at) // 60)

        assert set(found) == {200, 429}
        assert 100 <= found[200] <= 100 * windows
        with closing(Asking(server, globex, stranger)) as person:
            assert person.left() == 99


@pytest.fixture
def acme_again(acme: TenantIdentity) -> Iterator[TenantIdentity]:
    """acme, which has bought nothing afterwards."""
    yield acme
    buy(acme)


def buy(tenant: TenantIdentity, plan: str = "") -> None:
    services.change_details(
        tenant_id=tenant.id, name=tenant.slug, quotas=TenantQuotas(plan=plan), features={}
    )


def test_a_larger_plan_counts_in_both_processes(
    acme_again: TenantIdentity, api: ApiFactory
) -> None:
    acme, client = acme_again, api(acme_again, role="viewer")
    buy(acme, "small")
    plans = '{"small": {"tenant": 5}, "large": {"tenant": 100}}'
    limits = {"RATE_PLANS": plans, "RATE_LIMIT_TIMEOUT_MS": "10000"}
    with serving(workers=2, environment=limits) as server:
        assert ask(server, acme, client, times=40) == {200: 5, 429: 35}

        buy(acme, "large")
        admitted = 0

        def both_know() -> bool:
            """Neither refuses any more; a process is told within milliseconds."""
            nonlocal admitted
            found = ask(server, acme, client, times=40)
            admitted += found[200]
            return found == {200: 40}

        wait_until(both_know, "the plan is known in both processes")
        assert admitted <= 95
        rest = ask(server, acme, client, times=120)
        assert admitted + rest[200] == 95


@pytest.mark.parametrize("outage", ["ended", "silent"])
def test_redis_goes_away_and_each_process_goes_on_with_its_share(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, tmp_path: Path, outage: str
) -> None:
    # Signed in by the suite's Redis; the servers have one of their own.
    editor, viewer = api(acme, role="editor"), api(acme, role="viewer")
    stranger = api(globex, role="viewer")
    own = EmbeddedRedis(tmp_path / "redis", binaries=ensure_binaries(), durable=False)
    own.start()
    try:
        limits = {
            "REDIS_URL": own.url,
            "RATE_LIMIT_PERSON": "40",
            "RATE_LIMIT_LOCAL_PERCENT": "50",
            "RATE_LIMIT_TIMEOUT_MS": "100",
        }
        with serving(workers=2, environment=limits) as server:
            process = own.process
            assert process is not None
            stop = signal.SIGKILL if outage == "ended" else signal.SIGSTOP
            gone = threading.Timer(0.2, os.kill, (process.pid, stop))
            gone.start()
            found = ask(server, acme, editor, times=160)
            gone.join()
            if outage == "ended":
                process.wait(10)
            during = ask(server, acme, viewer, times=160)

            # Refused or served, never failed; at least one process counted its share of twenty.
            assert set(found) == set(during) == {200, 429}
            assert during[200] in (20, 40)

            if outage == "ended":
                own.restart()
                wait_until(own.is_ready, "Redis is back")
            else:
                os.kill(process.pid, signal.SIGCONT)
            with closing(Asking(server, globex, stranger)) as person:
                # What is left of forty is more than any share.
                wait_until(lambda: person.left() >= 20, "requests are counted in Redis again")
    finally:
        if own.process is not None and own.process.poll() is None:
            os.kill(own.process.pid, signal.SIGCONT)
        own.stop()
