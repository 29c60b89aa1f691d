"""Rows that an installation and each tenant are given once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import connections

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import fixtures
from shared_apps.onboarding.fixtures import FixtureError
from shared_apps.onboarding.models import InstallationSetup, TenantSetup
from tenant_apps.invoicing.models import Vendor

AT = datetime(2026, 11, 1, tzinfo=UTC)
GROUP = {"model": "auth.group", "pk": 900, "fields": {"name": "fixture", "permissions": []}}


def _vendor(number: int, name: str) -> dict[str, Any]:
    key = f"{number:08d}-1111-4111-8111-111111111111"
    made = {"created_by": str(UUID(int=1)), "created_at": "2026-01-01T00:00:00Z"}
    fields = {"name": name, **made}
    return {"model": "invoicing.vendor", "pk": key, "fields": fields}


@pytest.fixture
def directory(tmp_path: Path, settings: Any, acme: TenantIdentity) -> Iterator[Path]:
    for kind in ("installation", "tenant"):
        (tmp_path / kind).mkdir()
    settings.FIXTURES_ROOT = tmp_path
    settings.ENVIRONMENT_NAME = "production"
    yield tmp_path
    with context.operator():
        Group.objects.filter(pk__gte=900).delete()
        InstallationSetup.objects.all().delete()
        TenantSetup.objects.filter(flag__startswith="fixture:").delete()


def _write(path: Path, *rows: dict[str, Any]) -> None:
    path.write_text(json.dumps(rows))


def _load() -> list[str]:
    told: list[str] = []
    fixtures.load_everything(at=AT, report=told.append)
    return told


def _vendors(tenant: TenantIdentity) -> list[str]:
    with context.tenant(tenant):
        return sorted(Vendor.objects.values_list("name", flat=True))


def test_each_tenant_gets_them_once(
    directory: Path, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    _write(directory / "tenant/vendors.json", _vendor(1, "Paper"), _vendor(2, "Ink"))

    first, second = _load(), _load()

    assert first == [
        "fixture vendors.json loaded for acme",
        "fixture vendors.json loaded for globex",
    ]
    assert second == []
    assert _vendors(acme) == _vendors(globex) == ["Ink", "Paper"]


def test_the_installation_gets_them_once_and_goes_on_counting(directory: Path) -> None:
    _write(directory / "installation/groups.json", GROUP)

    assert _load() == ["fixture groups.json loaded"]
    assert _load() == []

    with context.operator():
        assert Group.objects.get(pk=900).name == "fixture"
        assert Group.objects.create(name="the next").pk == 901


def test_ten_at_once_load_them_once(directory: Path, acme: TenantIdentity) -> None:
    _write(directory / "installation/groups.json", GROUP)
    _write(directory / "tenant/vendors.json", _vendor(1, "Paper"))

    def load(_: int) -> list[str]:
        try:
            return _load()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        told = sorted(line for lines in pool.map(load, range(10)) for line in lines)

    assert told == [
        "fixture groups.json loaded",
        "fixture vendors.json loaded for acme",
        "fixture vendors.json loaded for globex",
    ]
    assert _vendors(acme) == ["Paper"]


@pytest.mark.parametrize(
    ("environment", "names"), [("production", ["Paper"]), ("local", ["Paper", "Toy"])]
)
def test_those_for_development_stay_out_of_production(
    directory: Path, acme: TenantIdentity, settings: Any, environment: str, names: list[str]
) -> None:
    settings.ENVIRONMENT_NAME = environment
    _write(directory / "tenant/vendors.json", _vendor(1, "Paper"))
    _write(directory / "tenant/dev_vendors.json", _vendor(2, "Toy"))

    _load()

    assert _vendors(acme) == names


def test_one_that_fails_leaves_nothing_and_is_loaded_when_it_is_right(
    directory: Path, acme: TenantIdentity
) -> None:
    path, ink = directory / "tenant/vendors.json", _vendor(2, "Ink")
    _write(path, _vendor(1, "Paper"), {**ink, "fields": {**ink["fields"], "name": None}})

    with pytest.raises(FixtureError) as refused:
        _load()

    assert refused.value.text.startswith(
        'vendors.json cannot be loaded: null value in column "name" of relation "invoicing_vendor"'
    )
    assert _vendors(acme) == []
    with context.operator():
        assert not TenantSetup.objects.filter(flag="fixture:vendors").exists()
    _write(path, _vendor(1, "Paper"), _vendor(2, "Ink"))
    _load()
    assert _vendors(acme) == ["Ink", "Paper"]


@pytest.mark.parametrize(
    ("path", "row", "message"),
    [
        ("tenant/a.json", GROUP, "a.json: auth.Group is in shared tables"),
        (
            "installation/a.json",
            _vendor(1, "P"),
            "a.json: invoicing.Vendor is in a tenant's tables",
        ),
    ],
)
def test_rows_of_the_other_kind_of_table_are_refused(
    directory: Path, path: str, row: dict[str, Any], message: str
) -> None:
    _write(directory / path, row)

    with pytest.raises(FixtureError) as refused:
        _load()

    assert refused.value.text == message
    with context.operator():
        assert Group.objects.filter(pk__gte=900).count() == 0


@pytest.mark.parametrize("text", ["no json", '[{"model": "nothing.here", "pk": 1}]', "[1]"])
def test_a_file_that_cannot_be_read_is_named(directory: Path, text: str) -> None:
    (directory / "installation/broken.json").write_text(text)

    with pytest.raises(FixtureError) as refused:
        _load()

    assert refused.value.text.startswith("broken.json cannot be read: ")
