"""Pages on which browsers sign in and out; at tenants and at the public host alike."""

import logging
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_protect, ensure_csrf_cookie
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from shared_apps.authn import browser_sessions
from shared_apps.authn.authentication import requested_tenant_id
from shared_apps.authn.errors import InvalidCredentialsError
from shared_apps.authn.oidc import services as single_sign_on
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.services import signing_in
from shared_apps.authn.views import client_of
from shared_apps.core import answer_floor
from shared_apps.core.errors import AppError
from shared_apps.core.pages import page
from shared_apps.core.problems import describe

logger = logging.getLogger(__name__)


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    sign_in = _sign_in(request)
    if sign_in is None:
        return HttpResponseRedirect(reverse("pages:login"))
    if "next" in request.GET:
        return HttpResponseRedirect(_local(request.GET["next"]))
    values = {"email": sign_in.user.email, "roles": ", ".join(sign_in.roles)}
    return page(request, "authn/signed_in.html", {**values, "host": request.get_host()})


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@csrf_protect
@ensure_csrf_cookie
def login(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _form(request, next_address=request.GET.get("next", ""))
    began_at = time.monotonic()
    next_address = request.POST.get("next", "")
    at = timezone.now()
    try:
        sign_in, _ = signing_in.sign_in(
            tenant_id=requested_tenant_id(),
            username=request.POST.get("username", ""),
            password=request.POST.get("password", ""),
            client=client_of(request),
            at=at,
        )
    except AppError as error:
        logger.warning("Sign-in refused: %s", error.code)
        refusal = _form(request, next_address=next_address, error=error)
        if isinstance(error, InvalidCredentialsError):
            answer_floor.hold(refusal, began_at=began_at)
        return refusal
    return signed_in(request, sign_in, next_address=next_address, at=at)


def signed_in(
    request: HttpRequest, sign_in: SignIn, *, next_address: str, at: datetime
) -> HttpResponse:
    """On to where somebody wanted to go, with the cookie of their sign-in."""
    cookie = browser_sessions.begin(sign_in=sign_in, former_cookie=_cookie(request), at=at)
    # Whoever knew the form's token before knows none of the signed-in person's.
    rotate_token(request)
    response = HttpResponseRedirect(_local(next_address))
    response["Cache-Control"] = "no-store"
    response.set_cookie(settings.BROWSER_COOKIE_NAME, cookie, **_attributes())
    return response


@require_POST
@csrf_protect
def logout(request: HttpRequest) -> HttpResponse:
    browser_sessions.end(
        cookie=_cookie(request), tenant_id=requested_tenant_id(), at=timezone.now()
    )
    response = HttpResponseRedirect(reverse("pages:login"))
    response["Cache-Control"] = "no-store"
    response.set_cookie(settings.BROWSER_COOKIE_NAME, "", **_attributes(), max_age=0)
    return response


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW. The token's cookie has ended, or a page of somebody else's sent the form."""
    text = "This form was not sent from this page, or was open for too long. Try again."
    values = {"host": request.get_host(), "error": text, "next": ""}
    return page(request, "authn/login.html", values, status=403)


def _form(
    request: HttpRequest, *, next_address: str, error: AppError | None = None
) -> HttpResponse:
    local = _local(next_address)
    values = {"host": request.get_host(), "next": local}
    if single_sign_on.has_page(tenant_id=requested_tenant_id()):
        onward = f"{reverse('pages:home')}?{urlencode({'next': local})}"
        values["provider"] = f"{reverse('v1:authn:oidc-start')}?{urlencode({'next': onward})}"
    if error is None:
        return page(request, "authn/login.html", values)
    described = describe(error)
    assert described is not None
    answer = page(
        request, "authn/login.html", {**values, "error": error.text}, status=described["status"]
    )
    for name, value in described["headers"].items():
        # Bearer would be an invitation to programs.
        if name != "WWW-Authenticate":
            answer[name] = value
    return answer


def _local(address: str) -> str:
    """An address of this host; anything else leads home."""
    is_local = address.startswith("/") and url_has_allowed_host_and_scheme(
        address, allowed_hosts=None
    )
    return address if is_local else reverse("pages:home")


def _sign_in(request: HttpRequest) -> SignIn | None:
    return browser_sessions.find_sign_in(
        cookie=_cookie(request), tenant_id=requested_tenant_id(), at=timezone.now()
    )


def _cookie(request: HttpRequest) -> str:
    return request.COOKIES.get(settings.BROWSER_COOKIE_NAME, "")


def _attributes() -> dict[str, Any]:
    """Without a Domain it goes back to this host alone, and without an age it ends with the browser."""
    return {
        "path": "/",
        "secure": settings.SESSION_COOKIE_SECURE,
        "httponly": True,
        "samesite": "Lax",
    }
