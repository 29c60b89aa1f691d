"""What holds for each address of both hosts and both versions, whoever added it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.attacks.test_route_permissions import bare, methods_of, routes, send
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.people import make_auditor

CONFIGURATIONS = ("config.urls", "config.urls_public")
# Not lists, though a GET of them takes nothing: what they answer is one thing.
SINGLE = {
    "authn:user", "authn:password-info", "authn:oidc-start", "authn:oidc-callback", "version-info", "version",
    "invoicing:policy-detail", "onboarding:schema", "audit:export", "directory_sync:status", "schema", "docs", "redoc",
}  # fmt: skip
# What a test fills to more than a page.
FULL = {
    "config.urls": {"invoicing:vendor-list", "invoicing:invoice-list", "audit:entry-list"},
    "config.urls_public": {"portfolio:invoice-list", "portfolio:entry-list"},
}
# These go over an append-only stream and count nothing.
STREAMS = {"audit:entry-list", "portfolio:entry-list"}


def of_api(configuration: str) -> dict[str, tuple[str, Any]]:
    return {
        name: found
        for name, found in routes(configuration).items()
        if name.startswith(("v1:", "v2:"))
    }


Visitor = Callable[[str], Api]


@pytest.fixture(params=CONFIGURATIONS)
def host(request: Any, acme: TenantIdentity) -> tuple[str, Visitor]:
    """A URL configuration, and who is let in at the address of a name there."""
    if request.param == "config.urls":
        admin = Api(acme, role="admin", password=PASSWORD)
        return request.param, lambda _: admin
    operator, auditor, support = Api(None), Api(None), Api(None)
    operator.sign_in("operator@example.com", PASSWORD)
    auditor.sign_in(make_auditor(acme, role="auditor").email, PASSWORD)
    support.sign_in(make_auditor(acme, role="support").email, PASSWORD)
    own = {"portfolio": auditor, "support": support}
    return request.param, lambda name: own.get(bare(name).split(":")[0], operator)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_both_versions_lead_to_the_same_views(configuration: str) -> None:
    found = of_api(configuration)

    views = {
        version: {bare(n): view for n, (_, view) in found.items() if n.startswith(version)}
        for version in ("v1:", "v2:")
    }
    assert len(views["v1:"]) > 20
    assert views["v1:"] == views["v2:"]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_each_address_is_there_with_its_slash_and_without(configuration: str) -> None:
    """Two patterns with one view and one name, so both answer and neither is sent on."""
    pairs: dict[str, set[tuple[str, Any, str | None]]] = {}
    for route, view, name in patterns(get_resolver(configuration).url_patterns, ""):
        if route.startswith("api/") and not route.endswith((".json", "docs/assets/<str:name>")):
            pairs.setdefault(route.rstrip("/"), set()).add((route, view, name))

    assert len(pairs) > 40
    for route, found in pairs.items():
        assert {one[0] for one in found} == {route, f"{route}/"}, route
        assert len({one[1:] for one in found}) == 1, route


def patterns(
    entries: "list[URLPattern | URLResolver]", prefix: str
) -> list[tuple[str, Any, str | None]]:
    found: list[tuple[str, Any, str | None]] = []
    for entry in entries:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            found += patterns(entry.url_patterns, route)
        else:
            found.append((route, entry.callback, entry.name))
    return found


def test_a_reading_answers_alike_with_its_slash_and_without(host: tuple[str, Visitor]) -> None:
    configuration, visitor = host
    for name, (path, view) in of_api(configuration).items():
        if "GET" in methods_of(view) and "oidc" not in name:
            with_slash, without = (
                send(visitor(name), "GET", address) for address in (path, path.rstrip("/"))
            )
            assert with_slash.status_code == without.status_code, name
            assert without.status_code not in (301, 302, 307, 308), name


def test_a_method_that_is_not_offered_is_405_with_those_that_are(
    host: tuple[str, Visitor],
) -> None:
    configuration, visitor = host
    for name, (path, view) in of_api(configuration).items():
        offered = methods_of(view)
        method = next(m for m in ("PUT", "PATCH", "DELETE", "POST") if m not in offered)
        answer = send(visitor(name), method, path)
        # Who asks may not be let in: that comes first.
        if answer.status_code != 403:
            assert answer.status_code == 405, f"{method} {name}"
            assert offered <= set(answer["Allow"].split(", ")), name
        assert ("Deprecation" in answer) == name.startswith("v1:"), name


def test_no_collection_is_without_an_end(
    system: Installation, host: tuple[str, Visitor], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    configuration, visitor = host
    plant(51, acme)
    plant(1, globex)
    system.relay()
    full = set()
    for name, (path, view) in of_api(configuration).items():
        if (
            "GET" not in methods_of(view)
            or takes_values(configuration, name)
            or bare(name) in SINGLE
        ):
            continue
        answer = send(visitor(name), "GET", path)
        assert answer.status_code == 200, f"{name}: {answer.content}"
        page = answer.json()
        counted = set() if bare(name) in STREAMS else {"count"}
        assert set(page) == {"next", "previous", "results"} | counted, name
        assert len(page["results"]) <= 50, name
        if len(page["results"]) == 50:
            full.add(bare(name))
            assert page["next"].split("?")[0].endswith(f"localhost{path}"), name
    assert full == FULL[configuration]


def takes_values(configuration: str, name: str) -> bool:
    try:
        return not reverse(name, urlconf=configuration)
    except NoReverseMatch:
        return True


def plant(count: int, tenant: TenantIdentity) -> None:
    from tenant_apps.invoicing.services import drafts, vendors

    with context.tenant(tenant):
        for number in range(count):
            vendor = vendors.create_vendor(name=f"vendor {number}", created_by=uuid4())
            drafts.create_invoice(vendor_id=vendor.id, items=[], created_by=uuid4())
