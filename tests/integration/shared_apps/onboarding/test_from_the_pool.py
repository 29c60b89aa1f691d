"""Tenants that are declared, cloned and restored get spare schemas where there are some."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import drift
from shared_apps.fleet.services import find_breaches
from shared_apps.tenants import selectors
from tests.client import Api
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant
from tests.integration.shared_apps.onboarding.test_restore import rows
from tests.spares import fill, there_are


def test_an_apply_takes_what_there_is_and_makes_the_rest(
    console: Console, api: Callable[..., Api], system: Installation, monkeypatch: Any
) -> None:
    slugs = ["initech", "initrode", "hooli"]
    monkeypatch.setenv("PASSWORD", system.password)
    auth = "{backend: database, secrets: {admin_password: {env: PASSWORD}}}"
    console.declare(*(tenant(slug, auth=auth, setup="[dev_demo_data]") for slug in slugs))
    fill(2)

    applied = console.apply("--jobs", "2")

    assert (applied.code, there_are()) == (0, []), applied.err
    assert console.apply().out.startswith("no changes")
    with context.operator():
        assert drift.find_differences() == ([], [])
        assert find_breaches() == []
    found = {slug: _vendors(api, slug) for slug in slugs}
    assert found["initech"] == found["initrode"] == found["hooli"]
    assert len(found["initech"]) > 1


def test_a_clone_and_a_restore_have_every_row(
    console: Console, system: Installation, tmp_path: Path
) -> None:
    console.declare(tenant("initech", setup="[dev_demo_data]"))
    assert console.apply().code == 0
    fill(2)
    archive = str(tmp_path / "initech.tar.gz")

    assert console.run("clone", "initech", "copy").code == 0
    assert len(there_are()) == 1
    assert console.run("export", "initech", "-o", archive).code == 0
    restored = console.run("restore", archive, "--as", "again", "--domain", "again.localhost")

    assert (restored.code, there_are()) == (0, [])
    original = rows(system, "t_initech")
    assert sum(map(len, original.values())) > 10
    assert rows(system, "t_copy") == rows(system, "t_again") == original
    with context.operator():
        assert drift.find_differences() == ([], [])


def _vendors(api: Callable[..., Api], slug: str) -> list[str]:
    identity: TenantIdentity = selectors.get_tenant(slug=slug).identity
    found = api(identity, "admin").get("vendors/").json()["results"]
    return sorted(vendor["name"] for vendor in found)
