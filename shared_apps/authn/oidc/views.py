"""Signing in at the page of a tenant's provider; for browsers, whose cookie holds the secret of the attempt."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared_apps.authn import pages, serializers
from shared_apps.authn.authentication import requested_tenant_id
from shared_apps.authn.errors import SignInAttemptError
from shared_apps.authn.oidc import attempts, services
from shared_apps.authn.views import OpenView, client_of, signed_in
from shared_apps.core.errors import AppError
from shared_apps.core.rate_limits.rates import RateClass

logger = logging.getLogger(__name__)

CALLBACK_PATH = "/api/v1/auth/oidc/callback/"


class FollowedView(OpenView):
    """Browsers come here by a link and say that they want a page; a refusal is JSON all the same."""

    rate_class = RateClass.LOGIN

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)


class StartView(FollowedView):
    """A page is sent on at once; a client that reads JSON is told where to go."""

    @extend_schema(
        parameters=[serializers.SignInStartQuery],
        responses={200: serializers.SignInAddressSerializer, 302: None, 409: None},
    )
    def get(self, request: Request) -> HttpResponseBase:
        # That of an attempt in another tab goes on being good.
        secret = _browser_secret(request)
        if not attempts.is_browser_secret(secret):
            secret = attempts.new_browser_secret()
        address = services.begin(
            tenant_id=requested_tenant_id(),
            redirect_uri=f"{request.scheme}://{request.get_host()}{CALLBACK_PATH}",
            next_path=request.query_params.get("next", "/"),
            browser_secret=secret,
        )
        response: HttpResponseBase
        if "text/html" in request.headers.get("Accept", ""):
            response = HttpResponseRedirect(address)
        else:
            response = Response({"authorize_url": address})
        response["Cache-Control"] = "no-store"
        response.set_cookie(
            settings.SINGLE_SIGN_ON_COOKIE_NAME, secret, max_age=attempts.LIFETIME, path="/",
            secure=settings.SESSION_COOKIE_SECURE, httponly=True,
            # The provider's page leads back from another site.
            samesite="Lax",
        )  # fmt: skip
        return response


class CallbackView(FollowedView):
    @extend_schema(
        parameters=[serializers.SignInCallbackQuery],
        responses={302: None, 401: None, 403: None, 409: None},
    )
    def get(self, request: Request) -> HttpResponseBase:
        given = request.query_params
        if any(len(given.getlist(name)) > 1 for name in ("state", "code", "iss", "error")):
            raise SignInAttemptError
        with _refusal_logged():
            back = services.come_back(
                tenant_id=requested_tenant_id(),
                state=given.get("state", ""),
                code=None if "error" in given else given.get("code"),
                issuer=given.get("iss"),
                browser_secret=_browser_secret(request),
                at=timezone.now(),
            )
            if back.next_path.startswith(reverse("pages:home")):
                response = self._signed_in(request, back)
            else:
                fragment = urlencode({"sign_in_code": back.code})
                response = HttpResponseRedirect(f"{back.next_path}#{fragment}")
        response["Cache-Control"] = "no-store"
        # The address that was come to holds the provider's code.
        response["Referrer-Policy"] = "no-referrer"
        return response

    def _signed_in(self, request: Request, back: services.CameBack) -> HttpResponse:
        """Pages of our own run no scripts: they are given a cookie at once."""
        at = timezone.now()
        sign_in, _ = services.exchange(
            tenant_id=requested_tenant_id(), code=back.code, at=at,
            browser_secret=_browser_secret(request), client=client_of(request),
        )  # fmt: skip
        return pages.signed_in(request._request, sign_in, next_address=back.next_path, at=at)


class TokenView(OpenView):
    rate_class = RateClass.LOGIN

    @extend_schema(
        request=serializers.SignInCodeInput,
        responses={200: serializers.SignedInSerializer, 401: None, 403: None},
    )
    def post(self, request: Request) -> Response:
        body = serializers.SignInCodeInput(data=request.data)
        body.is_valid(raise_exception=True)
        with _refusal_logged():
            sign_in, pair = services.exchange(
                tenant_id=requested_tenant_id(),
                code=body.validated_data["code"],
                browser_secret=_browser_secret(request),
                client=client_of(request),
                at=timezone.now(),
            )
        return signed_in(sign_in, pair)


def _browser_secret(request: Request) -> str:
    return str(request.COOKIES.get(settings.SINGLE_SIGN_ON_COOKIE_NAME, ""))


@contextmanager
def _refusal_logged() -> Iterator[None]:
    try:
        yield
    except AppError as error:
        # Without anything that was sent.
        logger.warning("Sign-in refused: %s", error.code)
        raise
