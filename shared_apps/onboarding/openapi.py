"""What operators send about tenants is judged by the JSON Schema of tenants.yaml; the document shows that same."""

import json
from typing import Any

from shared_apps.core.openapi import hooks
from shared_apps.onboarding.declaration import validation

Schema = dict[str, Any]

_PREFIX = "Declared"


def _name(definition: str) -> str:
    return _PREFIX + definition.title().replace("_", "")


def _definitions() -> dict[str, Schema]:
    """By the names that they have as components."""
    schema = validation.schema()
    text = json.dumps(schema["$defs"])
    for definition in schema["$defs"]:
        text = text.replace(
            f'"#/$defs/{definition}"', f'"#/components/schemas/{_name(definition)}"'
        )
    loaded: dict[str, Schema] = json.loads(text)
    return {_name(definition): part for definition, part in loaded.items()}


_DECLARED = _definitions()
_TENANT = _DECLARED[_name("tenant")]
hooks.offer_schemas(_DECLARED)

DECLARATION = {"application/json": {"$ref": f"#/components/schemas/{_name('tenant')}"}}
AUTH = {"application/json": {"$ref": f"#/components/schemas/{_name('auth')}"}}
# What is changed by commands of its own is left out.
CHANGES = {
    "application/json": {
        **{name: part for name, part in _TENANT.items() if name != "required"},
        "properties": {
            name: part
            for name, part in _TENANT["properties"].items()
            if name not in ("slug", "state", "auth")
        },
    }
}
