from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.mailbox import Mailbox, running_mailbox

if TYPE_CHECKING:
    from tests.directories.oid import OidEmulation


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as mailbox:
        yield mailbox


@pytest.fixture(scope="session")
def oid_of_acme() -> "Iterator[OidEmulation]":
    from tests.directories import oid, slapd

    slapd.require_slapd()
    with slapd.running(oid.OidEmulation) as server:
        assert isinstance(server, oid.OidEmulation)
        yield server


@pytest.fixture
def oid(oid_of_acme: "OidEmulation") -> "Iterator[OidEmulation]":
    yield oid_of_acme
    oid_of_acme.reset()
