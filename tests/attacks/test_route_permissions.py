"""Every address, method and role against what was meant: an address that nobody thought about fails here.

The table is written by hand on purpose: made from the views it would agree with any mistake in them. What
it says of an address of the API holds for each of its versions.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from shared_apps.accounts import custom_roles
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Permission
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import make_auditor, make_person

ApiFactory = Callable[..., Api]

OPEN = "open"  # without a token
ANYBODY = "anybody"  # who is signed in, about themselves
# The rest are permissions, and on the public host roles.
_OWN = {
    "authn:login": {"POST": OPEN},
    "authn:refresh": {"POST": OPEN},
    "authn:logout": {"POST": OPEN},
    "authn:registration": {"POST": OPEN},
    "authn:user": {"GET": ANYBODY},
    "authn:session-list": {"GET": ANYBODY},
    "authn:session": {"DELETE": ANYBODY},
    "authn:password-info": {"GET": ANYBODY},
    "authn:password-change": {"POST": ANYBODY},  # or by a ticket
    "authn:password-reset": {"POST": OPEN},
    "authn:password-reset-confirm": {"POST": OPEN},
    "authn:registration-confirm": {"POST": OPEN},
    "authn:oidc-start": {"GET": OPEN},
    "authn:oidc-callback": {"GET": OPEN},
    "authn:oidc-token": {"POST": OPEN},
    "pages:home": {},
    "pages:login": {},
    "pages:logout": {},
    "authn-mail-pages:reset": {},
    "authn-mail-pages:registration": {},
    "version-info": {"GET": OPEN},
    "version": {"GET": OPEN},
    "schema": {"GET": OPEN},
    "docs": {"GET": OPEN},
    "redoc": {"GET": OPEN},
    "docs-asset": {"GET": OPEN},
}
TENANT: Mapping[str, Mapping[str, str]] = {
    **_OWN,
    "accounts:user-list": {"GET": "admin", "POST": "admin"},
    "accounts:user": {"GET": "admin", "DELETE": "admin"},
    "accounts:user-role": {"PATCH": "admin"},
    "accounts:role-list": {"GET": "admin", "POST": "admin"},
    "accounts:role": {"GET": "admin", "PATCH": "admin", "DELETE": "admin"},
    "members:session-list": {"GET": "admin", "DELETE": "admin"},
    "members:session": {"DELETE": "admin"},
    "members:user-disable": {"POST": "admin"},
    "members:user-enable": {"POST": "admin"},
    "authn-people:user-password-reset": {"POST": "admin"},
    "impersonation:list": {"GET": "admin"},
    "impersonation:one": {"DELETE": "admin"},
    "directory_sync:status": {"GET": "admin"},
    "directory_sync:preview-list": {"GET": "admin", "POST": "admin"},
    "directory_sync:preview": {"GET": "admin"},
    "directory_sync:item-list": {"GET": "admin"},
    "directory_sync:item": {"PATCH": "admin"},
    "directory_sync:approve": {"POST": "admin"},
    "directory_sync:reject": {"POST": "admin"},
    "directory_sync:apply": {"POST": "admin"},
    "directory_sync:undo": {"POST": "admin"},
    "audit:entry-list": {"GET": "admin"},
    "audit:entry": {"GET": "admin"},
    "audit:record": {"GET": "admin"},
    "audit:export": {"GET": "admin"},
    "invoicing:vendor-list": {"GET": "read", "POST": "write"},
    "invoicing:vendor-detail": {"GET": "read", "PATCH": "write", "DELETE": "delete"},
    "invoicing:invoice-list": {"GET": "read", "POST": "write"},
    "invoicing:invoice-detail": {"GET": "read", "PATCH": "write", "DELETE": "delete"},
    "invoicing:invoice-summary": {"GET": "read"},
    "invoicing:invoice-issue": {"POST": "write"},
    "invoicing:invoice-pay": {"POST": "write"},
    "invoicing:invoice-void": {"POST": "write"},
    "invoicing:invoice-credit-note": {"POST": "write"},
    "invoicing:policy-detail": {"GET": "read", "PATCH": "admin"},
    "invoicing:invoice-import-create": {"POST": "write"},
    "invoicing:invoice-import-list": {"GET": "read"},
    "invoicing:invoice-import-status": {"GET": "read"},
    "invoicing:invoice-import-results": {"GET": "read"},
    "invoicing:invoice-import-download-results": {"GET": "read"},
    "invoicing:invoice-import-delete": {"DELETE": "delete"},
    "invoicing:invoice-import-cancel": {"POST": "write"},
    "tenants:file": {"GET": OPEN},  # the address itself is signed
}
PUBLIC: Mapping[str, Mapping[str, str]] = {
    **_OWN,
    "onboarding:tenant-list": {"GET": "operator", "POST": "operator"},
    "onboarding:tenant": {"GET": "operator", "PATCH": "operator"},
    **{
        f"onboarding:{name}": {"POST": "operator"}
        for name in (
            "tenant-suspend", "tenant-resume", "tenant-archive", "tenant-take-back", "tenant-rename",
            "tenant-clone", "tenant-export", "tenant-delete", "tenant-retry", "restore", "fleet-migrate",
        )
    },
    "onboarding:tenant-auth-backend": {"GET": "operator", "PUT": "operator"},
    "onboarding:tenant-auth-backend-test": {"POST": "operator"},
    "onboarding:run-list": {"GET": "operator"},
    "onboarding:run": {"GET": "operator"},
    "onboarding:schema": {"GET": OPEN},
    "portfolio:tenant-list": {"GET": "portfolio"},
    "portfolio:invoice-list": {"GET": "portfolio"},
    "portfolio:entry-list": {"GET": "portfolio"},
    "portfolio:entry": {"GET": "portfolio"},
    "portfolio:record": {"GET": "portfolio"},
    "support:impersonation-list": {"GET": "support", "POST": "support"},
    "support:impersonation": {"DELETE": "support"},
    "metrics": {},  # its own token, tests/integration/shared_apps/core/test_metrics.py
    "health-live": {},
    "health-ready": {},
    "health-startup": {},
}  # fmt: skip
# Addresses beside the API.
UNVERSIONED = {
    "pages:home", "pages:login", "pages:logout", "authn-mail-pages:reset", "authn-mail-pages:registration",
    "tenants:file", "metrics", "health-live", "health-ready", "health-startup",
}  # fmt: skip
ALLOWED = {
    "viewer": {"read"},
    "user": {"read", "write"},
    "editor": {"read", "write", "delete"},
    "moderator": {"read", "write", "delete"},
    "admin": {"read", "write", "delete", "admin"},
    "registrar": {"read", "admin"},  # of the tenant's own
    "deprived": set(),  # whose role was deleted
}
HOLDERS = {"operator": {"operator"}, "portfolio": {"auditor", "support"}, "support": {"support"}}
VERSIONS = ("v1", "v2")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes(configuration: str) -> dict[str, tuple[str, Any]]:
    """Name → address with values in it, and view."""
    found: dict[str, tuple[str, Any]] = {}
    for route, name, view in _walk(get_resolver(configuration).url_patterns, "/", ()):
        assert name, f"{route} has no name"
        found[name] = (re.sub(r"<(\w+):\w+>", _value, route), view)
    return found


def _walk(
    patterns: "list[URLPattern | URLResolver]", prefix: str, spaces: tuple[str, ...]
) -> Iterator[tuple[str, str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            yield from _walk(pattern.url_patterns, route, inner)
        else:
            yield route, ":".join((*spaces, pattern.name or "")), pattern.callback


def _value(match: "re.Match[str]") -> str:
    return str(uuid4()) if match[1] == "uuid" else "x"


def bare(name: str) -> str:
    """Without the version: what the tables call it."""
    return re.sub(r"^v\d+:", "", name)


def methods_of(view: Any) -> set[str]:
    if actions := getattr(view, "actions", None):
        return {method.upper() for method in actions} & set(METHODS)
    kind = getattr(view, "cls", None)
    return {method for method in METHODS if hasattr(kind, method.lower())}


def send(client: Api, method: str, path: str) -> Any:
    answer = client.http.generic(
        method, path, "{}", content_type="application/json",
        headers={"host": client.host, **client.headers},
    )  # fmt: skip
    if answer.streaming:
        # A stream holds the tenant's place among its requests until it has been read.
        b"".join(answer.streaming_content)
    return answer


@pytest.mark.parametrize(
    ("configuration", "table"), [("config.urls", TENANT), ("config.urls_public", PUBLIC)]
)
def test_every_address_is_in_the_table(
    configuration: str, table: Mapping[str, Mapping[str, str]]
) -> None:
    named = {
        full: set(needs)
        for name, needs in table.items()
        for full in ([name] if name in UNVERSIONED else [f"{v}:{name}" for v in VERSIONS])
    }
    assert {name: methods_of(view) for name, (_, view) in routes(configuration).items()} == named


def test_who_has_no_token_is_let_in_nowhere_else(acme: TenantIdentity) -> None:
    for client, configuration, table in (
        (Api(acme), "config.urls", TENANT),
        (Api(None), "config.urls_public", PUBLIC),
    ):
        for name, (path, _) in routes(configuration).items():
            for method, need in table[bare(name)].items():
                answer = send(client, method, path)
                is_refused = (answer.status_code, answer.get("WWW-Authenticate")) == (401, "Bearer")
                missing = is_refused and answer.json()["error"] == "Missing authorization token"
                assert missing == (need != OPEN), f"{method} {name}: {answer.status_code}"


def sign_in_as(role: str, tenant: TenantIdentity) -> Api:
    client = Api(tenant)
    if role not in ("registrar", "deprived"):
        client.sign_in(make_person(tenant, role).email, PASSWORD)
        return client
    allowed = [Permission.READ, Permission.ADMIN]
    made = custom_roles.create_role(
        tenant_id=tenant.id, name=role, permissions=allowed, by=None, at=datetime.now(UTC)
    )  # fmt: skip
    person = make_person(tenant, "viewer")
    accounts.change_role(tenant_id=tenant.id, user_id=person.id, role=role, by=None)
    client.sign_in(person.email, PASSWORD)
    if role == "deprived":
        custom_roles.delete_role(tenant_id=tenant.id, role_id=made.id, by=None, force=True)
    return client


@pytest.mark.parametrize("role", ALLOWED)
def test_every_address_method_and_role(
    acme: TenantIdentity, globex: TenantIdentity, role: str
) -> None:
    client, wrong = sign_in_as(role, acme), []
    for name, (path, _) in routes("config.urls").items():
        for method, need in TENANT[bare(name)].items():
            if need == OPEN:
                continue
            answer = send(client, method, path)
            is_allowed = need == ANYBODY or need in ALLOWED[role]
            if (answer.status_code == 403) == is_allowed or answer.status_code in (401, 405, 500):
                wrong.append(f"{method} {name}: {answer.status_code}")
            elif not is_allowed:
                assert answer.json()["error"] == "Insufficient permissions"
    assert wrong == []
    elsewhere = Api(globex)
    elsewhere.headers = client.headers
    assert elsewhere.get("vendors/").status_code == 401


@pytest.mark.parametrize("role", ["operator", "auditor", "support"])
def test_every_address_of_the_public_host(acme: TenantIdentity, role: str) -> None:
    client, wrong = Api(None), []
    if role == "operator":
        client.sign_in("operator@example.com", PASSWORD)
    else:
        client.sign_in(make_auditor(acme, role=role).email, PASSWORD)
    for name, (path, _) in routes("config.urls_public").items():
        for method, need in PUBLIC[bare(name)].items():
            is_allowed = need == ANYBODY or role in HOLDERS.get(need, ())
            # What is allowed is asked only where that changes nothing.
            if need == OPEN or (is_allowed and method != "GET"):
                continue
            answer = send(client, method, path)
            if (answer.status_code == 403) == is_allowed or answer.status_code in (401, 405, 500):
                wrong.append(f"{method} {name}: {answer.status_code}")
    assert wrong == []


def test_a_view_that_says_nothing_is_for_people_who_are_signed_in() -> None:
    class Forgotten(APIView):
        def get(self, request: Any) -> Response:
            return Response({"secret": 1})

    answer = Forgotten.as_view()(APIRequestFactory().get("/"))

    assert answer.status_code == 401
    assert "secret" not in answer.data
