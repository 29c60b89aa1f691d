"""The JSON Schema, what reads it, and the pages about it say the same."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared_apps.authn import configuring
from shared_apps.core.references import Reference
from shared_apps.onboarding.choices import SetupFlag
from shared_apps.onboarding.declaration import reference, validation
from shared_apps.onboarding.declaration.reading import API_VERSION, read_tenant
from shared_apps.onboarding.declaration.specs import (
    ADMIN_PASSWORD,
    AuthSpec,
    LimitsSpec,
    TenantSpec,
)
from shared_apps.tenants import names

ROOT = Path(__file__).resolve().parents[4]
SCHEMA: dict[str, Any] = validation.schema_of(configuring.list_own_kinds())
DEFINITIONS = SCHEMA["$defs"]


def test_the_schema_is_one_of_its_draft() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("name", "spec"), [("tenant", TenantSpec), ("auth", AuthSpec), ("limits", LimitsSpec)]
)
def test_every_key_is_read_and_nothing_else(name: str, spec: Any) -> None:
    assert set(DEFINITIONS[name]["properties"]) == {
        field.name for field in dataclasses.fields(spec)
    }


def test_every_object_is_closed() -> None:
    def closed(described: Any) -> bool:
        if isinstance(described, list):
            return all(closed(item) for item in described)
        if not isinstance(described, dict):
            return True
        is_open = described.get("type") == "object" and "additionalProperties" not in described
        return not is_open and all(closed(item) for item in described.values())

    # Options are closed by the backend's own definition.
    options = DEFINITIONS["auth"]["properties"]["options"]
    assert closed({**SCHEMA, "$defs": {**DEFINITIONS, "auth": {}}})
    assert closed([{**options, "additionalProperties": False}, *DEFINITIONS["auth"]["allOf"]])
    assert len(DEFINITIONS["auth"]["allOf"]) == 5


def test_names_and_bounds_are_the_products() -> None:
    tenant = DEFINITIONS["tenant"]["properties"]

    assert SCHEMA["properties"]["apiVersion"]["const"] == API_VERSION
    assert tenant["slug"]["pattern"] == f"^{names.SLUG.pattern}$"
    assert tenant["setup"]["items"]["enum"] == SetupFlag.values
    secrets = DEFINITIONS["auth"]["allOf"][0]["then"]["properties"]["secrets"]
    assert secrets["propertyNames"]["enum"] == [ADMIN_PASSWORD]
    sources = [next(iter(way["properties"])) for way in DEFINITIONS["secret"]["oneOf"]]
    assert sources == [field.name for field in dataclasses.fields(Reference)]


def test_every_pattern_has_a_rule_for_people() -> None:
    def patterns(described: Any) -> list[dict[str, Any]]:
        if isinstance(described, list):
            return [found for item in described for found in patterns(item)]
        if not isinstance(described, dict):
            return []
        own = [described] if isinstance(described.get("pattern"), str) else []
        return own + [found for item in described.values() for found in patterns(item)]

    without = [found for found in patterns(SCHEMA) if "x-rule" not in found]
    # Whatever is wrong with a secret is said in one way.
    assert without == [DEFINITIONS["secret"]["oneOf"][0]["properties"]["env"]]


def test_the_example_of_the_contract_is_read() -> None:
    declared = {
        "slug": "acme",
        "name": "Acme GmbH",
        "domains": ["acme.localhost"],
        "state": "active",
        "admins": ["admin@acme.example"],
        "auth": {
            "backend": "openldap",
            "options": {
                "url": "ldaps://dir.acme.example",
                "base_dn": "dc=acme,dc=example",
                "bind_dn": "cn=app,dc=acme,dc=example",
            },
            "secrets": {"bind_password": {"env": "ACME_BIND_PASSWORD"}},
            "break_glass": ["admin@acme.example"],
        },
        "limits": {
            "requests_per_minute": 6000,
            "statement_timeout_ms": 15000,
            "connections": 10,
            "storage_mb": 10240,
        },
        "features": {"invoicing": True},
    }

    [spec] = read_tenant(declared, is_remote=False).tenants

    assert spec.auth.secrets == {"bind_password": Reference(env="ACME_BIND_PASSWORD")}
    assert spec.limits == LimitsSpec(6000, 15000, 10, 10240)


def test_the_page_for_people_is_the_schema() -> None:
    page = ROOT / "docs/reference/tenants-yaml.md"

    assert page.read_text() == reference.as_markdown()


def test_the_example_of_the_docs_is_valid() -> None:
    from shared_apps.onboarding.declaration.reading import read

    page = (ROOT / "docs/tenants.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]

    assert [spec.slug for spec in read(example.encode()).tenants] == ["acme"]
