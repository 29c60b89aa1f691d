"""What a role must allow for a request to be carried out."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from shared_apps.accounts.choices import CrossTenantRole, Permission
from shared_apps.authn.errors import ImpersonatedError, MissingTokenError
from shared_apps.authn.selectors import SignIn

_View = TypeVar("_View", bound=Callable[..., Any])

Allows = Callable[[SignIn, Any], bool]

PERMISSION_OF_METHOD: Mapping[str, Permission] = {
    "GET": Permission.READ,
    "HEAD": Permission.READ,
    "OPTIONS": Permission.READ,
    "POST": Permission.WRITE,
    "PUT": Permission.WRITE,
    "PATCH": Permission.WRITE,
    "DELETE": Permission.DELETE,
}


class IsSignedIn(BasePermission):
    """Anybody with a role here, for what concerns themselves."""

    def has_permission(self, request: Request, view: Any) -> bool:
        _signed_in(request)
        return True


class IsThemselves(BasePermission):
    """Somebody with a role here, and nobody in their name."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if _signed_in(request).impersonator is not None:
            raise ImpersonatedError
        return True


class IsSupport(BasePermission):
    """Somebody to whom operators granted a tenant for support, at the public host."""

    message = "Insufficient permissions"

    def has_permission(self, request: Request, view: Any) -> bool:
        return CrossTenantRole.SUPPORT in _signed_in(request).roles


class HasPermission(BasePermission):
    """The method decides, unless the view's `required_permissions` says otherwise for it.

    A view that has `allows(sign_in, obj)` is asked about each object too: by `get_object()` of generic
    views, elsewhere by `check_object`.
    """

    message = "Insufficient permissions"
    required_permissions: ClassVar[Mapping[str, Permission]] = {}

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = self.permission_for(view, request.method or "")
        return needed in _signed_in(request).permissions

    def permission_for(self, view: Any, method: str) -> Permission:
        """Also what the OpenAPI document says."""
        required: Mapping[str, Permission] = {
            **PERMISSION_OF_METHOD,
            **getattr(view, "required_permissions", {}),
            **self.required_permissions,
        }
        # A method that nobody thought of is for those who may do anything.
        return Permission(required.get(method, Permission.ADMIN))

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        allows: Allows | None = getattr(view, "allows", None)
        return allows is None or allows(_signed_in(request), obj)


def check_object(request: Request, obj: Any) -> None:
    """Have the view that answers judge an object. Raises PermissionDenied."""
    request.parser_context["view"].check_object_permissions(request, obj)


def require_permission(
    permission: Permission | str, *, allows: Allows | None = None
) -> Callable[[_View], _View]:
    """Ask for one permission, whatever the method; between `@api_view` and a function view.

    `allows` is asked about what the view gives to `check_object`.
    """

    class Required(HasPermission):
        required_permissions = dict.fromkeys(PERMISSION_OF_METHOD, Permission(permission))

        def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
            return allows is None or allows(_signed_in(request), obj)

    def decorate(view: _View) -> _View:
        if hasattr(view, "cls"):
            raise TypeError("@require_permission belongs below @api_view: above it has no effect")
        view.permission_classes = [Required]  # type: ignore[attr-defined]  # api_view reads it
        return view

    return decorate


def _signed_in(request: Request) -> SignIn:
    """Raises MissingTokenError: nobody has."""
    if not isinstance(request.auth, SignIn):
        raise MissingTokenError
    return request.auth
