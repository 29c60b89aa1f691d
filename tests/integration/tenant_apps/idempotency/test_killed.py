"""kill -9 of the process that serves a request, at every kind of moment: sent again, it has one effect."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.idempotency.models import StoredAnswer
from tenant_apps.invoicing.models import Vendor
from tests.client import Api
from tests.installation import Installation
from tests.server import Server, serving
from tests.waiting import wait_until

_COMMITS = 815  # an advisory lock


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("moments")


@pytest.fixture(scope="module")
def server(installation: Installation, moments: Path) -> Iterator[Server]:
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.integration.tenant_apps.idempotency.settings",
        "TEST_MOMENTS": str(moments),
    }
    with serving(workers=2, environment=environment) as running:
        yield running


@pytest.fixture
def request_of(
    server: Server, acme: TenantIdentity, api: Callable[..., Api]
) -> Callable[[], httpx.Response]:
    token = api(acme, "editor").headers["authorization"]

    def send() -> httpx.Response:
        return httpx.post(
            f"http://127.0.0.1:{server.port}/paused/",
            json={"a": 1},
            headers={"host": server.host(acme), "authorization": token, "idempotency-key": "k"},
            timeout=60,
        )

    return send


def _effects(tenant: TenantIdentity) -> tuple[int, int]:
    with context.tenant(tenant):
        return Vendor.objects.count(), StoredAnswer.objects.count()


@contextmanager
def _under_way(send: Callable[[], httpx.Response]) -> Iterator[None]:
    """The request is sent; whoever waits for its answer is cut off."""

    def quietly() -> None:
        with pytest.raises(httpx.TransportError):
            send()

    thread = Thread(target=quietly)
    thread.start()
    yield
    thread.join(timeout=60)
    assert not thread.is_alive()


def _answered(send: Callable[[], httpx.Response]) -> httpx.Response:
    """Sent again until it is not being carried out any more, as a client would."""
    found: list[httpx.Response] = []

    def is_answered() -> bool:
        try:
            found.append(send())
        except httpx.TransportError:
            return False  # the next process is on its way
        return found[-1].status_code != 409

    wait_until(is_answered, "the request is answered")
    return found[-1]


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("before the effect", (0, 0)),
        ("after the effect", (0, 0)),
        ("while rendering", (0, 0)),
        ("after the commit", (1, 1)),
    ],
)
def test_killed_and_sent_again(
    acme: TenantIdentity,
    moments: Path,
    request_of: Callable[[], httpx.Response],
    moment: str,
    left: tuple[int, int],
) -> None:
    file = moments / moment
    file.touch()
    with _under_way(request_of):
        wait_until(lambda: file.read_text() != "", f"the request is {moment}")
        pid = int(file.read_text())
        file.unlink()
        os.kill(pid, signal.SIGKILL)
    assert _effects(acme) == left
    _assert_once(acme, request_of, is_replayed=left == (1, 1))


def test_killed_while_the_commit_is_under_way(
    acme: TenantIdentity,
    system: Installation,
    moments: Path,
    request_of: Callable[[], httpx.Response],
) -> None:
    """Nobody is told, and PostgreSQL goes on: whoever asks meanwhile is told to wait."""
    statuses: list[int] = []

    def is_answered() -> bool:
        try:
            statuses.append(request_of().status_code)
        except httpx.TransportError:
            return False  # the next process is on its way
        return True

    with _commits_that_wait(system, acme), system.owner() as owner:
        with owner.transaction():
            owner.execute("SELECT pg_advisory_xact_lock(%s)", [_COMMITS])
            with _under_way(request_of):
                wait_until(lambda: _is_waiting(system), "the commit waits")
                os.kill(int((moments / "pid").read_text()), signal.SIGKILL)
            wait_until(is_answered, "the next process answers")
            assert _effects(acme) == (0, 0)
        wait_until(lambda: _effects(acme) == (1, 1), "PostgreSQL commits")
    assert statuses == [409]
    _assert_once(acme, request_of, is_replayed=True)


@contextmanager
def _commits_that_wait(system: Installation, tenant: TenantIdentity) -> Iterator[None]:
    """For a lock, once an answer is among what they commit."""
    schema = sql.Identifier(tenant.schema)
    body = f"BEGIN PERFORM pg_advisory_xact_lock({_COMMITS}); RETURN NULL; END"
    with system.owner() as owner:
        owner.execute(
            sql.SQL("CREATE FUNCTION {}.wait() RETURNS trigger LANGUAGE plpgsql AS {}").format(
                schema, sql.Literal(body)
            )
        )
        owner.execute(
            sql.SQL(
                "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON {}.idempotency_storedanswer"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {}.wait()"
            ).format(schema, schema)
        )
    try:
        yield
    finally:
        with system.owner() as owner:
            owner.execute(sql.SQL("DROP FUNCTION {}.wait() CASCADE").format(schema))


def _is_waiting(system: Installation) -> bool:
    with system.owner() as owner:
        found = owner.execute(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = %s",
            [_COMMITS],
        ).fetchone()
    return found is not None


def _assert_once(
    tenant: TenantIdentity, send: Callable[[], httpx.Response], *, is_replayed: bool
) -> None:
    first = _answered(send)
    assert first.status_code == 201, first.text
    assert ("idempotency-replayed" in first.headers) is is_replayed
    again = send()
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert _effects(tenant) == (1, 1)
    with context.tenant(tenant):
        assert first.json() == {"id": str(Vendor.objects.get().id)}
