from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from shared_apps.accounts.choices import PERMISSIONS_OF_ROLE, Permission, permissions_of
from shared_apps.accounts.models import User
from shared_apps.authn.errors import MissingTokenError
from shared_apps.authn.impersonation.selectors import Impersonator
from shared_apps.authn.permissions import HasPermission, check_object, require_permission
from shared_apps.authn.selectors import SignIn

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
ALLOWED = {
    "viewer": {"GET", "HEAD", "OPTIONS"},
    "auditor": {"GET", "HEAD", "OPTIONS"},
    "support": {"GET", "HEAD", "OPTIONS"},
    "editor": {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"},
    "moderator": {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"},
    "user": {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"},
    "admin": set(METHODS),
    "operator": set(METHODS),
    "janitor": set(),
}


def sign_in(*roles: str) -> SignIn:
    return SignIn(session_id=uuid4(), user=User(id=uuid4()), tenant_id=uuid4(), roles=roles)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("role", ALLOWED)
def test_the_method_decides(role: str, method: str) -> None:
    request: Any = SimpleNamespace(method=method, auth=sign_in(role))

    assert HasPermission().has_permission(request, object()) == (method in ALLOWED[role])


def test_every_role_is_in_the_matrix() -> None:
    assert set(ALLOWED) == {*map(str, PERMISSIONS_OF_ROLE), "janitor"}


def test_roles_add_up_and_an_unknown_one_adds_nothing() -> None:
    assert permissions_of(["auditor", "support"]) == {Permission.READ}
    assert permissions_of(["auditor", "janitor"]) == {Permission.READ}
    assert permissions_of([]) == frozenset()


@pytest.mark.parametrize(("role", "expected"), [("editor", False), ("admin", True)])
def test_a_view_overrides_the_method(role: str, expected: bool) -> None:
    request: Any = SimpleNamespace(method="GET", auth=sign_in(role))
    view = SimpleNamespace(required_permissions={"GET": Permission.ADMIN})

    assert HasPermission().has_permission(request, view) == expected


def test_nobody_is_unauthenticated_not_forbidden() -> None:
    request: Any = SimpleNamespace(method="GET", auth=None)

    with pytest.raises(MissingTokenError):
        HasPermission().has_permission(request, object())


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("editor", 200)])
def test_require_permission_guards_a_function_view(role: str, status: int) -> None:
    @api_view(["GET"])
    @require_permission("delete")
    def view(request: Any) -> Response:
        return Response({})

    request = APIRequestFactory().get("/")
    force_authenticate(request, user=User(), token=sign_in(role))
    response = view(request)

    assert response.status_code == status
    if status == 403:
        assert response.data["error"] == "Insufficient permissions"


def test_require_permission_in_the_wrong_place_is_an_error() -> None:
    def view(request: Any) -> Response:
        return Response({})

    with pytest.raises(TypeError):
        require_permission(Permission.READ)(api_view(["GET"])(view))


def _is_own(asking: SignIn, obj: dict[str, Any]) -> bool:
    return bool(obj["owner"] == asking.user.pk)


class _OwnThings(APIView):
    permission_classes = [HasPermission]
    allows = staticmethod(_is_own)

    def get(self, request: Any) -> Response:
        check_object(request, {"owner": request.headers["owner"]})
        return Response({})


@api_view(["GET"])
@require_permission("read", allows=_is_own)
def _own_things(request: Any) -> Response:
    check_object(request, {"owner": request.headers["owner"]})
    return Response({})


@pytest.mark.parametrize("view", [_OwnThings.as_view(), _own_things])
@pytest.mark.parametrize(("owner", "status"), [("me", 200), ("somebody else", 403)])
def test_an_object_is_judged_where_the_view_says_how(view: Any, owner: str, status: int) -> None:
    asking = sign_in("viewer")
    owned_by = asking.user.pk if owner == "me" else uuid4()
    request = APIRequestFactory().get("/", headers={"owner": str(owned_by)})
    asking.user.pk = str(asking.user.pk)
    force_authenticate(request, user=asking.user, token=asking)

    assert view(request).status_code == status


def test_an_impersonator_reads_and_no_more_than_the_person_may() -> None:
    def allowed(role: str, *, may_write: bool) -> set[str]:
        by = Impersonator(uuid4(), "support@example.com", "reason", datetime.now(UTC), may_write)
        return {str(p) for p in replace(sign_in(role), impersonator=by).permissions}

    assert allowed("editor", may_write=False) == allowed("viewer", may_write=True) == {"read"}
    assert allowed("editor", may_write=True) == {"read", "write", "delete"}
    assert allowed("admin", may_write=True) == {"read", "write", "delete"}
    assert allowed("janitor", may_write=True) == set()
