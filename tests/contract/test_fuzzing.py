"""What the OpenAPI document says, and what nobody would think of sending, against the real server."""

from collections.abc import Callable, Iterator

import pytest

from shared_apps.core.context import TenantIdentity
from tests.contract.fuzzing import Target, fuzz, rows_of
from tests.installation import PASSWORD
from tests.server import Server, serving

_SEED = "7"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def target(server: Server) -> Callable[[TenantIdentity], Target]:
    return lambda tenant: Target(
        f"http://127.0.0.1:{server.port}",
        server.host(tenant),
        f"admin@{tenant.slug}.example",
        PASSWORD,
    )


def test_the_document_holds_for_each_edge_of_its_schemas(
    acme: TenantIdentity, globex: TenantIdentity, target: Callable[[TenantIdentity], Target]
) -> None:
    done = fuzz(
        target=target(acme),
        foreign=rows_of(target(globex)),
        options=["--phases", "examples,coverage,stateful", "--max-examples", "8", "--seed", _SEED],
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
