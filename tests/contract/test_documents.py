"""Every address and method of both hosts is described: what it takes, gives and how it fails."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls import path as address_of
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.core.management.commands.openapi import VERSIONS
from shared_apps.core.openapi import documents

METHODS = ("get", "post", "put", "patch", "delete")
# For people or for other programs; none is an operation of the API.
NO_OPERATIONS = {"docs", "redoc", "docs-asset"}
CASES = [(version, host) for version in VERSIONS for host in sorted(documents.HOSTS)]


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def routes(
    patterns: "list[URLPattern | URLResolver]", prefix: str = "/"
) -> Iterator[tuple[str, str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, pattern.name or "", pattern.callback


def expected_operations(host: str, version: str) -> set[tuple[str, str]]:
    """From the URL configuration, without asking what the document is made by."""
    found = set()
    for route, name, view in routes(get_resolver(documents.HOSTS[host]).url_patterns):
        is_operation = route.startswith(f"/api/{version}/") and name not in NO_OPERATIONS
        if is_operation and (route.endswith("/") or "." in route.rpartition("/")[2]):
            address = "/".join(
                f"{{{part[1:-1].rpartition(':')[2]}}}" if part.startswith("<") else part
                for part in route.split("/")
            )
            actions = getattr(view, "actions", None)
            handled = actions or [method for method in METHODS if hasattr(view.cls, method)]
            found |= {(address, method) for method in METHODS if method in handled}
    return found


@pytest.mark.parametrize(("version", "host"), CASES)
def test_each_address_and_method_is_in_the_document(version: str, host: str) -> None:
    document = documents.make(urlconf=documents.HOSTS[host], version=version)

    described = {(path, method) for path, method, _ in operations_of(document)}

    assert described == expected_operations(host, version)
    assert len(described) > 40
    assert not GENERATOR_STATS


@pytest.mark.parametrize(("version", "host"), CASES)
def test_each_operation_says_what_it_takes_gives_and_how_it_fails(version: str, host: str) -> None:
    document = documents.make(urlconf=documents.HOSTS[host], version=version)

    names = [operation["operationId"] for _, _, operation in operations_of(document)]
    assert len(set(names)) == len(names)
    for path, method, operation in operations_of(document):
        where = f"{method} {path}"
        answers = operation["responses"]
        assert any(status < "400" for status in answers), where
        for status, answer in answers.items():
            if status < "400":
                assert "X-Request-ID" in answer["headers"], where
                is_empty = status in ("202", "204", "302", "304") or "content" in answer
                assert is_empty, f"{where}: nothing is said of {status}"
            else:
                assert answer["$ref"].startswith("#/components/responses/"), where
        needed = {"400", "406", "429", "503"}
        needed |= (
            {"401", "403"}
            if [scheme for scheme in operation.get("security", []) if scheme]
            else set()
        )
        needed |= {"404"} if "{" in path else set()
        needed |= {"409"} if method != "get" else set()
        needed |= {"413", "415"} if "requestBody" in operation else set()
        assert needed <= set(answers), where
        assert operation["tags"], where
        assert operation["description"], where


def test_a_method_that_says_nothing_is_noticed() -> None:
    class Forgotten(APIView):
        def get(self, request: Any) -> Response:
            return Response({"id": 1})

    patterns = [address_of("api/v1/forgotten/", Forgotten.as_view(versioning_class=None))]
    SchemaGenerator(patterns=patterns, api_version="v1").get_schema(request=None, public=True)

    assert GENERATOR_STATS
