"""Another name, and a second tenant with the same data."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import services as fleet
from shared_apps.onboarding.services import TenantRequest, create_tenant
from shared_apps.tenants import selectors
from tests import tenant_files
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.integration.shared_apps.onboarding.console import Console


@pytest.fixture
def initech(made: None, api: Callable[..., Api]) -> TenantIdentity:
    request = TenantRequest(
        slug="initech", name="Initech", domains=("initech.localhost", "tps.example"),
        admin_email="admin@initech.example", admin_password=PASSWORD,
    )  # fmt: skip
    with context.operator(), attribution.acting(attribution.command("test")):
        tenant = create_tenant(request=request, at=datetime.now(UTC)).identity
    assert api(tenant, "admin").post("vendors/", {"name": "Chotchkie's"}).status_code == 201
    tenant_files.save(tenant, "tps.txt")
    return tenant


def names(client: Api) -> list[str]:
    return [vendor["name"] for vendor in client.get("vendors/").json()["results"]]


def test_a_renamed_tenant_keeps_schema_data_and_files(
    initech: TenantIdentity, console: Console, api: Callable[..., Api]
) -> None:
    before, signed_in = Api(initech, password=None, role=None), api(initech, "admin")
    assert before.get("vendors/").status_code == 401

    ended = console.run("rename", "initech", "initrode", "--json")

    assert ended.code == 0, ended.err
    assert ended.json["domains"] == ["initrode.localhost", "tps.example"]
    assert ended.json["id"] == str(initech.id)
    assert (ended.json["schema"], ended.json["role"]) == (initech.schema, initech.role)
    renamed = selectors.get_tenant(slug="initrode").identity
    assert before.get("vendors/").status_code == 404, "the old host"
    signed_in.host = "initrode.localhost"
    assert names(signed_in) == ["Chotchkie's"], "who was signed in still is"
    with context.operator():
        assert fleet.find_breaches() == []
    assert tenant_files.read(renamed, "tps.txt") == b"content"
    assert console.run("rename", "initrode", "initech").code == 0, "and back"
    assert names(api(initech, "admin")) == ["Chotchkie's"]


@pytest.mark.parametrize(
    "arguments",
    [["acme"], ["admin"], ["Init"], ["t_x"], ["initrode", "--domain", "acme.localhost"],
     ["initrode", "--domain", "no host"]],
)  # fmt: skip
def test_a_name_that_is_taken_or_wrong_changes_nothing(
    initech: TenantIdentity, console: Console, arguments: list[str]
) -> None:
    assert console.run("rename", "initech", *arguments).code == 1
    tenant = selectors.get_tenant(slug="initech")
    assert [domain.domain for domain in tenant.domains.all()] == [
        "initech.localhost",
        "tps.example",
    ]


def test_nobody_gets_the_schema_of_a_renamed_tenant(
    initech: TenantIdentity, console: Console
) -> None:
    assert console.run("rename", "initech", "initrode").code == 0
    ended = console.run(
        "create", "initech", "--name", "x", "--domain", "initech.localhost",
        "--admin-email", "x@x.example",
    )  # fmt: skip
    assert ended.code == 1
    with context.operator():
        assert selectors.get_tenant(slug="initrode").schema_name == initech.schema


def test_a_clone_has_the_data_and_goes_its_own_way(
    initech: TenantIdentity, console: Console, system: Installation, api: Callable[..., Api]
) -> None:
    ended = console.run("clone", "initech", "copy", "--json")

    assert ended.code == 0, ended.err
    assert ended.json["domains"] == ["copy.localhost"]
    clone = selectors.get_tenant(slug="copy").identity
    tenant_files.save(clone, "own.txt")
    assert tenant_files.read(clone, "tps.txt") == b"content"
    with system.owner() as owner:
        owner.execute(f"DELETE FROM {clone.schema}.invoicing_vendor")
    assert names(api(initech, "admin")) == ["Chotchkie's"]
    assert console.run("clone", "initech", "copy").code == 1, "it is there"
    assert console.run("clone", "initech", "acme").code == 1
