"""What the OpenAPI document says, and what nobody would think of sending, against the real server."""

from collections.abc import Callable, Iterator

import pytest

from shared_apps.core.context import TenantIdentity
from tests.contract.fuzzing import PUBLIC_RUNS, Target, fuzz, rows_of
from tests.installation import PASSWORD
from tests.server import Server, serving

_BRIEFLY = (
    "--phases", "examples,coverage,stateful", "--max-examples", "8", "--no-shrink", "--seed", "7",
)  # fmt: skip


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


# What versions have in common is tried in one of them.
_RUNS = (("v1", ()), ("v2", ("--include-tag", "invoicing")))


@pytest.mark.parametrize(("version", "chosen"), _RUNS)
def test_the_document_holds_for_each_edge_of_its_schemas(
    acme: TenantIdentity,
    globex: TenantIdentity,
    target: Callable[[TenantIdentity], Target],
    version: str,
    chosen: tuple[str, ...],
) -> None:
    with target(acme).client() as admin:
        people = admin.get("users/").json()

    done = fuzz(
        target=target(acme),
        foreign=rows_of(target(globex)),
        version=version,
        options=[*_BRIEFLY, *chosen],
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    with target(acme).client() as admin:
        assert {one["email"] for one in people["results"]} <= {
            one["email"] for one in admin.get("users/", params={"page_size": 500}).json()["results"]
        }


@pytest.mark.parametrize("chosen", PUBLIC_RUNS)
def test_the_public_host_answers_as_it_says(
    acme: TenantIdentity, globex: TenantIdentity, server: Server, chosen: tuple[str, ...]
) -> None:
    operator = Target(
        f"http://127.0.0.1:{server.port}",
        f"localhost:{server.port}",
        "operator@example.com",
        PASSWORD,
    )
    done = fuzz(
        target=operator, foreign=[], kept=[acme.slug, globex.slug], options=[*_BRIEFLY, *chosen]
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
