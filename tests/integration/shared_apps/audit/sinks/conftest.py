"""Two chains, an authority, and sinks that are taken away again."""

import json
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.receivers import Authority

if TYPE_CHECKING:
    from tests.installation import Installation
    from tests.sinks import Sinks


@pytest.fixture
def authority(tmp_path: Path, settings: Any) -> Authority:
    authority = Authority(tmp_path)
    settings.AUDIT_SINK_AUTHORITIES = str(authority.file)
    settings.AUDIT_SINK_NETWORKS = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    return authority


@pytest.fixture
def sinks(system: "Installation", authority: Authority, tmp_path: Path) -> "Iterator[Sinks]":
    from tests.chains import audit_administrator, two_chains
    from tests.sinks import SECRET, Sinks

    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    with two_chains() as (one, other):
        yield Sinks(one, other, secret)
    with audit_administrator() as admin:
        admin.execute("DELETE FROM audit.sink")


@pytest.fixture
def entries_of() -> Callable[[bytes], list[dict[str, Any]]]:
    return lambda body: [json.loads(line) for line in body.splitlines()]
