"""The OpenAPI document of one host and version: made from the code, so once in the life of a process."""

import json
from functools import lru_cache
from typing import Any, Literal

import yaml
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

# Its extensions become known by being imported.
from shared_apps.core.openapi import fields  # noqa: F401  # for its effect

Format = Literal["json", "yaml"]

# The hosts that have a document, by the URL configuration that they answer with.
HOSTS = {"tenant": settings.ROOT_URLCONF, "public": settings.PUBLIC_SCHEMA_URLCONF}


def make(*, urlconf: str, version: str) -> dict[str, Any]:
    generator = SchemaGenerator(urlconf=urlconf, api_version=version)
    document: dict[str, Any] = generator.get_schema(request=None, public=True)
    document["info"]["version"] = version
    return document


@lru_cache(maxsize=16)
def rendered(*, urlconf: str, version: str, form: Format) -> bytes:
    document = make(urlconf=urlconf, version=version)
    if form == "json":
        return json.dumps(document, indent=1, ensure_ascii=False, default=str).encode()
    text: str = yaml.safe_dump(
        json.loads(json.dumps(document, default=str)), sort_keys=False, allow_unicode=True
    )
    return text.encode()
