"""Requests that are too many are refused before their view does anything, mostly before the database."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from shared_apps.authn import request_limits
from shared_apps.authn.authentication import CookieAuthentication, claims_of
from shared_apps.core import context
from shared_apps.core.errors import AppError
from shared_apps.core.problems import describe, problem_response
from shared_apps.core.rate_limits.classes import class_of, view_class_of
from shared_apps.core.rate_limits.errors import RateLimitedError
from shared_apps.core.rate_limits.rates import RateClass


class RateLimitMiddleware:
    """Below TenantMiddleware. What runs on nobody's behalf (health, metrics) is not counted.

    A valid access token says who it is without the database; a sign-in that has ended since is still
    that person's request. Who shows none is counted by their address, and so is every request for a
    sign-in, whatever it shows.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.resolver_match is None and context.current() is not None:
            # An address that leads nowhere: whoever looks for others is counted, too.
            refused = _refused(
                request, lambda: request_limits.count_address(request, rate_class=RateClass.READ)
            )
            response = refused or response
        standing = request_limits.standing_of(request)
        if standing is not None:
            standing.write(response)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: object
    ) -> HttpResponseBase | None:
        rate_class = class_of(view, request.method)
        if rate_class is RateClass.UNLIMITED or context.current() is None:
            return None
        return _refused(request, lambda: _count(request, view, rate_class))


def _refused(request: HttpRequest, count: Callable[[], None]) -> HttpResponseBase | None:
    try:
        count()
    except RateLimitedError as error:
        described = describe(error)
        assert described is not None
        return problem_response(request, **described)
    return None


def _count(request: HttpRequest, view: Callable[..., Any], rate_class: RateClass) -> None:
    """Raises RateLimitedError."""
    if rate_class is RateClass.LOGIN:
        request_limits.count_address(request, rate_class=rate_class)
        return
    try:
        claims = claims_of(request, at=timezone.now())
    except AppError:
        claims = None
    if claims is not None:
        request_limits.count_person(request, claims.user_id, rate_class=rate_class)
    elif _is_for_cookie(request, view):
        request_limits.count_later(request, rate_class=rate_class)
    else:
        request_limits.count_address(request, rate_class=rate_class)


def _is_for_cookie(request: HttpRequest, view: Callable[..., Any]) -> bool:
    """Whether CookieAuthentication is going to look whose it is."""
    if "Authorization" in request.headers or settings.BROWSER_COOKIE_NAME not in request.COOKIES:
        return False
    return CookieAuthentication in getattr(view_class_of(view), "authentication_classes", ())
