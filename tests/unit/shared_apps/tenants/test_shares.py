import threading
from uuid import UUID

import pytest

from shared_apps.tenants.errors import TenantBusyError
from shared_apps.tenants.shares import Shares

ACME, GLOBEX = UUID(int=1), UUID(int=2)


def test_a_tenant_has_as_many_places_as_its_limit_and_others_have_theirs() -> None:
    shares = Shares(patience=1.0)
    first = shares.take(ACME, limit=2)
    shares.take(ACME, limit=2)

    with pytest.raises(TenantBusyError):
        shares.take(ACME, limit=2)
    shares.take(GLOBEX, limit=1)
    first()
    shares.take(ACME, limit=2)


def test_who_waits_gets_the_place_that_becomes_free() -> None:
    shares = Shares(patience=1.0)
    give_back = shares.take(ACME, limit=1)
    threading.Timer(0.1, give_back).start()

    shares.take(ACME, limit=1)()


def test_when_the_queue_is_full_one_more_is_refused_at_once() -> None:
    shares = Shares(patience=1.0, queue=4)
    shares.take(ACME, limit=1)
    refusals: list[float] = []

    def ask() -> None:
        with pytest.raises(TenantBusyError):
            shares.take(ACME, limit=1)
        refusals.append(1)

    waiting = [threading.Thread(target=ask) for _ in range(4)]
    for thread in waiting:
        thread.start()
    while shares._shares[ACME].waiting < 4:
        threading.Event().wait(0.01)

    with pytest.raises(TenantBusyError):
        shares.take(ACME, limit=1)
    assert not refusals  # the four wait still
    for thread in waiting:
        thread.join()


def test_tenants_without_requests_are_forgotten() -> None:
    shares = Shares(patience=1.0)
    shares.take(ACME, limit=1)()
    assert shares._shares == {}
