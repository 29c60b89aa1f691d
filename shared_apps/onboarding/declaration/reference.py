"""The JSON Schema as a page for people: docs/reference/tenants-yaml.md is this."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from shared_apps.authn import configuring
from shared_apps.onboarding.declaration.validation import schema_of

_HEAD = """# tenants.yaml

Written by `manage.py tenant schema --markdown`; `manage.py tenant schema` prints the JSON Schema, which the
public host also serves at `/api/v1/operator/tenants.schema.json`. How it is used: [tenants](../tenants.md).
Keys that are not listed are refused.
"""
_TITLES = {
    "tenant": "A tenant",
    "auth": "auth",
    "limits": "limits",
    "mail": "mail",
    "sink": "A sink",
    "secret": "A secret",
    "directory": "auth.options of openldap, oracle_oid and active_directory",
    "entra": "auth.options of entra_id",
    "role_groups": "role_groups",
    "sync": "sync",
    "auto_apply": "auto_apply",
}


@cache
def _schema() -> dict[str, Any]:
    """The product's own: what a package brings is described there."""
    return schema_of(configuring.list_own_kinds())


def as_markdown() -> str:
    root = _schema()
    lines = [_HEAD, *_table(root)]
    for name, title in _TITLES.items():
        lines += ["", f"## {title}", ""]
        described = root["$defs"][name]
        if "oneOf" in described:
            lines += ["One of these, never the secret itself:", ""]
            described = {"properties": _merged(described["oneOf"])}
        elif "description" in described:
            lines += [described["description"], ""]
        lines += _table(described)
    return "\n".join(lines) + "\n"


def _table(described: dict[str, Any]) -> Iterator[str]:
    required = described.get("required", [])
    yield "| key | value | |"
    yield "|---|---|---|"
    for name, value in described["properties"].items():
        mark = " (required)" if name in required else ""
        yield f"| `{name}`{mark} | {_kind(value)} | {_described(value)} |"


def _merged(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for choice in choices for name, value in choice["properties"].items()}


def _described(value: dict[str, Any]) -> str:
    if "description" in value:
        return str(value["description"])
    return str(_resolved(value).get("description", ""))


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: dict[str, Any] = _schema()["$defs"][value["$ref"].rpartition("/")[2]]
    return found


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"see {_TITLES[name]}" if name in _TITLES else _kind(_resolved(value))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{item}`" for item in value["enum"])
    match value.get("type"):
        case "array":
            return f"list of {_kind(value['items'])}"
        case "object":
            return "mapping"
        case "integer":
            return f"whole number from {value['minimum']}"
        case "boolean":
            return "`true` or `false`"
    return str(value.get("x-rule", "text"))
