"""A dependency that fails is left alone: by all processes, for one tenant, and with or without Redis."""

import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings
from django_redis import get_redis_connection

from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import UnavailableError
from shared_apps.core.resilience import breaker
from shared_apps.core.resilience.breaker import CircuitBreaker, CircuitOpenError, CircuitState
from tests.concurrency import at_once
from tests.directories import listeners
from tests.server import ROOT
from tests.waiting import wait_until


@pytest.fixture
def name(system: object) -> Iterator[str]:
    """Of a server that no other test knows."""
    made = f"psp-{uuid.uuid4().hex}:443"
    yield made
    redis = get_redis_connection()
    for key in redis.scan_iter(match=f"*{made.split(':')[0]}*"):
        redis.delete(key)


def circuit(tenant: TenantIdentity | None, name: str, *, pause: int = 60) -> CircuitBreaker:
    return CircuitBreaker(
        dependency="psp",
        name=name,
        tenant_id=tenant.id if tenant else None,
        failures=5,
        pause=pause,
    )


def fail(found: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError), found.guard(counts=(ConnectionError,)):
            raise ConnectionError


@pytest.fixture(params=["redis", "nothing"])
def shared(request: pytest.FixtureRequest, name: str) -> Iterator[str]:
    if request.param == "redis":
        yield name
        return
    nowhere = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}
    with override_settings(CACHES={**settings.CACHES, "default": nowhere}):
        yield name


def test_five_failures_open_it_for_one_tenant(
    acme: TenantIdentity, globex: TenantIdentity, shared: str
) -> None:
    own = circuit(acme, shared)
    fail(own, 4)
    assert own.state() is CircuitState.CLOSED
    fail(own, 1)
    assert circuit(acme, shared).state() is CircuitState.OPEN
    made: list[int] = []
    for _ in range(20):
        with pytest.raises(CircuitOpenError), circuit(acme, shared).guard(counts=(OSError,)):
            made.append(1)
    assert made == []
    assert issubclass(CircuitOpenError, UnavailableError)
    for other in (circuit(globex, shared), circuit(None, shared), circuit(acme, "another")):
        with other.guard(counts=(OSError,)):
            made.append(1)
    assert made == [1, 1, 1]


def test_failures_count_in_a_row(acme: TenantIdentity, shared: str) -> None:
    own = circuit(acme, shared)
    for _ in range(3):
        fail(own, 4)
        with own.guard(counts=(ConnectionError,)):
            pass
    fail(own, 4)
    # What the other side refuses was answered by it.
    with pytest.raises(ValueError), own.guard(counts=(ConnectionError,)):
        raise ValueError
    fail(own, 4)
    assert own.state() is CircuitState.CLOSED


def test_after_the_pause_one_of_all_tries(acme: TenantIdentity, shared: str) -> None:
    fail(circuit(acme, shared, pause=1), 5)
    wait_until(lambda: circuit(acme, shared).state() is CircuitState.HALF_OPEN, "the pause is over")
    allowed = at_once([lambda: circuit(acme, shared, pause=60).allows() for _ in range(8)])
    assert sorted(map(bool, allowed)) == [False] * 7 + [True]
    # The trial fails: it is left alone again.
    circuit(acme, shared, pause=1).failed()
    assert circuit(acme, shared).state() is CircuitState.OPEN
    # It succeeds, at the next time.
    trial = circuit(acme, shared, pause=1)
    wait_until(lambda: trial.state() is CircuitState.HALF_OPEN, "the second pause is over")
    with trial.guard(counts=(ConnectionError,)):
        pass
    assert [circuit(acme, shared).allows() for _ in range(3)] == [True] * 3


_IN_ANOTHER_PROCESS = """
import django; django.setup()
from uuid import UUID
from shared_apps.core.resilience.breaker import CircuitBreaker
breaker = CircuitBreaker(dependency="psp", name={name!r}, tenant_id=UUID({tenant!r}), failures=5, pause=60)
print(breaker.state(), breaker.allows())
"""


def test_all_processes_know(acme: TenantIdentity, name: str) -> None:
    fail(circuit(acme, name), 5)
    code = _IN_ANOTHER_PROCESS.format(name=name, tenant=str(acme.id))
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["open", "False"]


def test_metrics_can_tell_which_are_open(acme: TenantIdentity, name: str) -> None:
    def found() -> list[breaker.OpenCircuit]:
        return [one for one in breaker.list_open() if one.name == name]

    assert found() == []
    fail(circuit(acme, name), 5)
    fail(circuit(None, name), 5)
    assert sorted(found(), key=str) == sorted(
        [breaker.OpenCircuit("psp", acme.id, name), breaker.OpenCircuit("psp", None, name)], key=str
    )
    for tenant in (acme, None):
        circuit(tenant, name).reset()
    assert found() == []


def test_a_redis_that_is_away_is_not_asked_each_time(acme: TenantIdentity, name: str) -> None:
    """Each question to one that hangs would take as long as its timeout."""
    with listeners.listening(lambda client: None) as broken:
        away = {
            **settings.CACHES["default"],
            "LOCATION": f"redis://127.0.0.1:{broken.port}/0",
        }
        with override_settings(CACHES={**settings.CACHES, "default": away}):
            assert circuit(acme, name).allows()
            asked = broken.connections
            assert [circuit(acme, name).allows() for _ in range(50)] == [True] * 50
            assert broken.connections == asked > 0
