"""Who may read over several tenants."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from shared_apps.accounts.choices import CrossTenantRole
from shared_apps.authn.errors import MissingTokenError
from shared_apps.authn.selectors import SignIn


class ReadsGrantedTenants(BasePermission):
    """Somebody with a cross-tenant role, who reads. An operator without one is not among them."""

    message = "Insufficient permissions"

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, SignIn):
            raise MissingTokenError
        has_role = not set(CrossTenantRole.values).isdisjoint(request.auth.roles)
        return has_role and request.method in SAFE_METHODS
