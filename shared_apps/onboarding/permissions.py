from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from shared_apps.accounts.choices import OPERATOR_ROLE
from shared_apps.authn.errors import MissingTokenError
from shared_apps.authn.selectors import SignIn


class IsOperator(BasePermission):
    """People who run the installation; a role over several tenants is not enough, not even to look."""

    message = "Insufficient permissions"

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, SignIn):
            raise MissingTokenError
        return OPERATOR_ROLE in request.auth.roles
