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
