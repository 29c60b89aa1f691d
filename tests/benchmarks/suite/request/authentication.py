"""A sign-in that costs every contender the same and asks no database."""

from uuid import UUID

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from shared_apps.accounts.models import User
from shared_apps.authn.selectors import SignIn
from shared_apps.core import attribution
from tests.benchmarks.suite.request.contenders import FIXED_TOKEN

_USER = User(id=UUID(int=1), email="bench@example.com")
_SIGN_IN = SignIn(session_id=UUID(int=2), user=_USER, tenant_id=None, roles=("viewer",))


class FixedTokenAuthentication(BaseAuthentication):
    """Names the person for the audit trail too, as the product's own does."""

    def authenticate(self, request: Request) -> tuple[User, SignIn] | None:
        if request.headers.get("Authorization") != f"Bearer {FIXED_TOKEN}":
            return None
        attribution.signed_in(_USER.id)
        return _USER, _SIGN_IN
