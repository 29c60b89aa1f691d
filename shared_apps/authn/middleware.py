"""Answers to somebody who works in another person's name say so."""

from collections.abc import Callable
from urllib.parse import quote

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "X-Impersonated-By"


class ImpersonationMiddleware:
    """The address of whoever it really is, percent-encoded where a header cannot hold it; a banner for people."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        by: str | None = getattr(request, "impersonated_by", None)
        if by is not None:
            response[HEADER] = quote(by, safe="@+")
        return response
