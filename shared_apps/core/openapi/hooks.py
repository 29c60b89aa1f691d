"""What is done to the whole document, before and after its endpoints are read."""

import json
import re
from collections.abc import Callable
from typing import Any

from django.apps import apps
from drf_spectacular.hooks import postprocess_schema_enums

from shared_apps.core.openapi import problems

Schema = dict[str, Any]
Endpoint = tuple[str, str, str, Callable[..., Any]]

BODY_OF = "x-body-of"
"""In the schema of a body, until its enums are named: the name of what shows the same fields."""
_REFERENCE = re.compile(r'"#/components/schemas/(\w+)"')
_API = re.compile(r"/api/v[0-9]+/")


_offered: dict[str, Schema] = {}


def offer_schemas(schemas: dict[str, Schema]) -> None:
    """Schemas that are written elsewhere; those that a document refers to become part of it."""
    _offered.update(schemas)


def leave_out(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Addresses without their optional slash, which answer as those with it; and what is no API."""
    paths = {path for path, *_ in endpoints}
    return [
        endpoint
        for endpoint in endpoints
        if _API.match(endpoint[0]) and f"{endpoint[0]}/" not in paths
    ]


def name_enums(result: Schema, generator: Any, **options: Any) -> Schema:
    """By the field, or by what it is shown in: a body that takes what is shown is no second place of its enums."""
    schemas = result.get("components", {}).get("schemas", {})
    bodies = [schema for schema in schemas.values() if BODY_OF in schema]
    shown = [(schema, schemas.get(schema.pop(BODY_OF))) for schema in bodies]
    apart = {
        name: schemas.pop(name)
        for name in list(schemas)
        if any(schemas[name] is body for body, base in shown if base is not None)
    }
    result = postprocess_schema_enums(result, generator, **options)
    if apart:
        result["components"]["schemas"].update(apart)
    for body, base in shown:
        for name in body["properties"] if base else ():
            # A list of them has them as its items.
            if "enum" in json.dumps(body["properties"][name]):
                body["properties"][name] = base["properties"][name]
    return result


def complete(result: Schema, **_: Any) -> Schema:
    """Add the problem and its answers, and what the apps of the tags are."""
    components = result.setdefault("components", {})
    for kind, parts in problems.components().items():
        components[kind] = {**parts, **components.get(kind, {})}
    _add_offered(result)
    used = {
        tag
        for path in result["paths"].values()
        for operation in path.values()
        for tag in operation["tags"]
    }
    result["tags"] = [
        {"name": config.label, "description": str(config.verbose_name)}
        for config in apps.get_app_configs()
        if config.label in used
    ]
    return result


def _add_offered(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    while missing := sorted(
        set(_REFERENCE.findall(json.dumps(document, default=str)))
        & _offered.keys() - schemas.keys()
    ):
        schemas.update({name: _offered[name] for name in missing})
