"""From the Authorization header or a cookie to `request.user` and `request.auth`."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.request import Request

from shared_apps.authn import browser_sessions, request_limits, selectors
from shared_apps.authn.errors import ForeignPageError, InvalidTokenError, LoginExpiredError
from shared_apps.authn.tokens import AccessToken, Claims
from shared_apps.core import context
from shared_apps.core.errors import AppError

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

_CLAIMS = "access_claims"


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`, good for the tenant whose host was asked.

    The database is asked once a request, so signing out, a changed role and a suspended tenant count
    from the next request on.
    """

    def authenticate(self, request: Request) -> "tuple[User, selectors.SignIn] | None":
        at = timezone.now()
        try:
            claims = claims_of(request, at=at)
            if claims is None:
                return None
            sign_in = selectors.get_sign_in(claims=claims, at=at)
        except LoginExpiredError:
            # The refresh token of this sign-in says so; here it is one of many reasons.
            raise InvalidTokenError from None
        sign_in.attribute()
        if sign_in.impersonator is not None:
            # For ImpersonationMiddleware, which sees Django's request.
            request._request.impersonated_by = sign_in.impersonator.email  # type: ignore[attr-defined]  # ours
        return sign_in.user, sign_in

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class CookieAuthentication(BaseAuthentication):
    """The cookie of a browser that signed in on our own page (pages.py), judged as a token is.

    A browser sends it whoever made the page that asks, so what writes needs the token that only pages
    of this host can read, too. With an Authorization header the cookie counts for nothing.
    """

    def authenticate(self, request: Request) -> "tuple[User, selectors.SignIn] | None":
        cookie = request.COOKIES.get(settings.BROWSER_COOKIE_NAME)
        if "Authorization" in request.headers or cookie is None:
            return None
        try:
            sign_in = browser_sessions.find_sign_in(
                cookie=cookie, tenant_id=requested_tenant_id(), at=timezone.now()
            )
        except AppError:
            request_limits.count_cookie(request._request, None)
            raise
        request_limits.count_cookie(request._request, sign_in.user.pk if sign_in else None)
        if sign_in is None:
            return None
        _require_own_page(request)
        sign_in.attribute()
        return sign_in.user, sign_in


def _require_own_page(request: Request) -> None:
    """Raises ForeignPageError: a request that writes does not show the token."""
    check = CSRFCheck(_checked)
    check.process_request(request._request)
    if check.process_view(request._request, _checked, (), {}) is not None:
        raise ForeignPageError


def claims_of(request: HttpRequest | Request, *, at: datetime) -> Claims | None:
    """What its access token says, read once; None for a request that shows none.

    Raises:
        LoginExpiredError, InvalidTokenError: it is not good here.
    """
    # Django's own, whoever asks: it outlives the view's, and has no attributes of another object.
    asked = request._request if isinstance(request, Request) else request
    header = asked.META.get("HTTP_AUTHORIZATION", "").strip()
    if not header:
        return None
    known: tuple[str, Claims] | None = getattr(asked, _CLAIMS, None)
    if known is not None and known[0] == header:
        return known[1]
    scheme, _, raw = header.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidTokenError
    claims = AccessToken.read(raw, tenant_id=requested_tenant_id(), at=at)
    setattr(asked, _CLAIMS, (header, claims))
    return claims


def requested_tenant_id() -> UUID | None:
    """The tenant whose host the request came to; None at the public host."""
    scope = context.require()
    return scope.id if isinstance(scope, context.TenantIdentity) else None


def _checked(request: HttpRequest) -> HttpResponse:
    """Stands for a view, which Django's check wants to see because it might be exempt."""
    return HttpResponse()
