from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.installation import Installation
    from tests.server import Server


@pytest.fixture(scope="session")
def server(installation: "Installation") -> "Iterator[Server]":
    from tests.server import serving

    with serving() as running:
        yield running


@pytest.fixture
def in_process_asgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ASGI each request has a thread of its own; its connection must end with it."""
    from django.db import connections

    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
