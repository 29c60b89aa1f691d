"""What a declaration says of each kind of backend: its options, its secrets, and what makes a realm."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

DATABASE: Final = "database"
_DEFINITIONS: Final = Path(__file__).with_name("options.schema.json")


@dataclass(frozen=True)
class Kind:
    """`options` and what it refers to are JSON Schema, draft 2020-12; `#/$defs/` is that of `definitions`."""

    options: Mapping[str, Any]
    secrets: tuple[str, ...] = ()
    """Names of those that it takes."""
    required_secrets: tuple[tuple[str, ...], ...] = ()
    """One of each of these is needed."""
    realm_options: tuple[str, ...] = ()
    """Options that say whom ids are unique among: with other ones it is another directory."""

    options_are_required: bool = True

    @property
    def secrets_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"propertyNames": {"enum": list(self.secrets)}}
        if self.required_secrets:
            schema["allOf"] = [
                {
                    "anyOf": [{"required": [name]} for name in names],
                    "x-rule": f"needs {' or '.join(names)}",
                }
                for names in self.required_secrets
            ]
        return schema


_LDAP: Final = Kind(
    options={"$ref": "#/$defs/directory"},
    secrets=("bind_password", "ca_certificate"),
    required_secrets=(("bind_password",),),
    realm_options=("base_dn",),
)

BUILT_IN: Final[Mapping[str, Kind]] = {
    DATABASE: Kind(
        options={"additionalProperties": False, "properties": {}}, options_are_required=False
    ),
    "openldap": _LDAP,
    "active_directory": _LDAP,
    "oracle_oid": _LDAP,
    "entra_id": Kind(
        options={"$ref": "#/$defs/entra"},
        secrets=("client_secret", "client_certificate"),
        required_secrets=(("client_secret", "client_certificate"),),
        realm_options=("directory_id",),
    ),
}


@cache
def definitions() -> dict[str, Any]:
    """What the options of the built-in kinds refer to."""
    loaded: dict[str, Any] = json.loads(_DEFINITIONS.read_text())
    return loaded
