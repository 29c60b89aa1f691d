"""A declaration against its JSON Schema; what is wrong in our words, because the library's quote values."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from shared_apps.authn import configuring
from shared_apps.onboarding.declaration.problems import Path
from shared_apps.onboarding.declaration.specs import ADMIN_PASSWORD

if TYPE_CHECKING:
    from shared_apps.authn.backends.kinds import Kind

_SCHEMA_FILE: Final = FilePath(__file__).with_name("tenants.schema.json")
_LONGEST_QUOTE = 40
_TYPES = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
}
_SIZES = {
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "needs at least {} entry",
    "maxItems": "has more than {} entries",
    "maxProperties": "has more than {} entries",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
}


@cache
def schema() -> dict[str, Any]:
    """With what is declared of each backend that is installed."""
    return schema_of(configuring.list_kinds())


def schema_of(declared: "Mapping[str, Kind]") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_SCHEMA_FILE.read_text())
    loaded["$defs"] |= configuring.definitions()
    auth = loaded["$defs"]["auth"]
    auth["properties"]["backend"] = {
        "enum": list(declared),
        "description": auth["properties"]["backend"]["description"],
    }
    auth["allOf"] = [_of_kind(name, kind) for name, kind in declared.items()]
    return loaded


def _of_kind(name: str, kind: "Kind") -> dict[str, Any]:
    secrets = kind.secrets_schema
    # The first password is kept here, whatever is asked later: it is what break-glass takes.
    secrets["propertyNames"] = {"enum": [ADMIN_PASSWORD, *secrets["propertyNames"]["enum"]]}
    required = [
        key
        for key, is_needed in (
            ("options", kind.options_are_required),
            ("secrets", bool(kind.required_secrets)),
        )
        if is_needed
    ]
    return {
        "if": {"required": ["backend"], "properties": {"backend": {"const": name}}},
        "then": {
            "required": required,
            "properties": {"options": dict(kind.options), "secrets": secrets},
        },
    }


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def find_mismatches(value: Any) -> Iterator[tuple[Path, str]]:
    """Where the value does not fit the schema, each place with what to do."""
    said: set[tuple[Path, str]] = set()
    for error in _validator().iter_errors(value):
        for found in _explain(error):
            if found not in said:
                said.add(found)
                yield found


def _explain(error: ValidationError) -> Iterator[tuple[Path, str]]:
    path = tuple(error.absolute_path)
    value: Any = error.validator_value
    if is_secret(path):
        yield (
            path[:_SECRET_DEPTH],
            "must be {env: NAME} or {file: PATH}; a secret is never written down here",
        )
        return
    match error.validator:
        case "additionalProperties" if error.validator_value is False:
            yield from _unknown_keys(error, path)
        case "required":
            # One error per name, of which the library tells the text only.
            for name in value:
                if f"'{name}'" in error.message:
                    yield path, f"needs the key {name}"
        case "propertyNames" | "pattern" | "enum" if _is_about_a_name(error):
            name = str(error.instance)
            yield (*path, name), _name_rule(error)
        case _:
            yield path, _rule(error) + _quoted(error, path)


def _rule(error: ValidationError) -> str:
    value: Any = error.validator_value
    match error.validator:
        case "type" if isinstance(value, str):
            return f"must be {_TYPES.get(value, value)}"
        case "type":
            return f"must be {' or '.join(_TYPES.get(name, name) for name in value)}"
        case "anyOf":
            return _annotation(error)
        case "const":
            return f"must be {value}"
        case "enum":
            return f"must be {_listed(value)}"
        case "pattern":
            return f"must be {_annotation(error)}"
        case "uniqueItems":
            return "names something twice"
        case str() as keyword if keyword in _SIZES:
            return _SIZES[keyword].format(value)
    return f"does not fit the schema ({error.validator})"


def _unknown_keys(error: ValidationError, path: Path) -> Iterator[tuple[Path, str]]:
    instance: Any = error.instance
    known = sorted(error.schema.get("properties", {}))  # type: ignore[union-attr]  # not a boolean one
    for name in instance:
        if name in known:
            continue
        close = get_close_matches(str(name), known, n=1)
        hint = f"; do you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
        yield (*path, name), "unknown key" + (hint if known else "; nothing belongs here")


def _is_about_a_name(error: ValidationError) -> bool:
    return "propertyNames" in error.absolute_schema_path


def _name_rule(error: ValidationError) -> str:
    if error.validator == "enum":
        return f"unknown key; there are {', '.join(error.validator_value)}"  # type: ignore[arg-type]
    return f"must be {_annotation(error)}"


def _annotation(error: ValidationError) -> str:
    return str(error.schema["x-rule"])  # type: ignore[index]  # every pattern has one (a test says so)


def _listed(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"


_SECRETS = (("auth", "secrets"), ("mail", "secrets"))
_SECRET_DEPTH = len(("tenants", 0, "auth", "secrets", "name"))


def is_secret(path: Path) -> bool:
    if len(path) < _SECRET_DEPTH or path[0] != "tenants":
        return False
    return path[2:4] in _SECRETS or (path[2], path[4]) == ("sinks", "secret")


def _quoted(error: ValidationError, path: Path) -> str:
    """The value, unless it is large or where somebody may have put a secret by mistake."""
    if {"auth", "mail", "sinks"} & {*path} or not isinstance(error.instance, str | int | float):
        return ""
    text = json.dumps(error.instance, ensure_ascii=True)
    return f", not {text}" if len(text) <= _LONGEST_QUOTE else ""
