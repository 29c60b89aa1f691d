"""The outermost layer: a request id and attribution in, a problem body out, whatever happens inside."""

import logging
import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from shared_apps.core import attribution, problems, proxies, route, unnamed_proxies
from shared_apps.core.pages import PageResponse

logger = logging.getLogger(__name__)

_USABLE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestContextMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        unnamed_proxies.notice(request.META)
        if not proxies.is_ours(request.META.get("REMOTE_ADDR")):
            # Anybody can say that it was HTTPS; before anything asks the request for its headers.
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _USABLE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        address = proxies.client_address(
            peer=request.META.get("REMOTE_ADDR"),
            forwarded_for=request.headers.get("X-Forwarded-For"),
        )
        caller = attribution.Attribution(request_id=request_id, ip=address)
        with attribution.acting(caller), route.unresolved():
            response = self.get_response(request)
            response = _as_problem(request, response)
        response["X-Request-ID"] = request_id
        return response

    def process_view(self, request: HttpRequest, *_: object) -> None:
        match = request.resolver_match
        if match is not None:
            route.resolved(match.view_name or match.route)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Everything that no view handled: expected errors by kind, the rest as 500 that tells nothing."""
        described = problems.describe(error)
        if described is None:
            logger.exception("Unhandled error", exc_info=error)
            described = {"status": 500, "error": "Internal server error", "code": "internal"}
        elif described["status"] >= 500:
            logger.error("Request failed: %s", described["code"], exc_info=error)
        return problems.problem_response(request, **described)


def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Django's own HTML error pages (unknown path, bad host, suspicious request) as problem bodies."""
    is_page = response.get("Content-Type", "").startswith("text/html")
    if response.status_code < 400 or not is_page or isinstance(response, PageResponse):
        return response
    code = {400: "bad_request", 403: "permission_denied", 404: "not_found"}.get(
        response.status_code, "internal" if response.status_code >= 500 else "refused"
    )
    error = {400: "Bad request.", 403: "Insufficient permissions", 404: "Not found."}.get(
        response.status_code, "Internal server error" if response.status_code >= 500 else "Refused."
    )
    return problems.problem_response(request, status=response.status_code, error=error, code=code)
