"""From the host name to the context of a request."""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import DatabaseError
from django.http import HttpRequest, StreamingHttpResponse
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase

from shared_apps.core import context, exchange
from shared_apps.core.errors import AppError
from shared_apps.core.problems import describe, problem_response
from shared_apps.core.streaming import keep_context
from shared_apps.tenants import errors, names, routing, selectors, shares, versions
from shared_apps.tenants.errors import TenantBusyError

# Asked by load balancers and orchestrators, which know no tenant's name.
TENANTLESS_PATHS = ("/health/",)


class TenantMiddleware:
    """Runs each request in the context of the tenant that its host belongs to, or refuses it.

    The public host runs in the operator's context with URLs of its own. Nothing else chooses a
    tenant: no header, no parameter.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        # Now, and for nobody: what views make at import, a viewset's queryset for one, would
        # otherwise be the tenant's whose request happens to come first.
        with context.nobody():
            for urlconf in (settings.ROOT_URLCONF, settings.PUBLIC_SCHEMA_URLCONF):
                import_module(urlconf)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(TENANTLESS_PATHS):
            request.urlconf = settings.PUBLIC_SCHEMA_URLCONF  # type: ignore[attr-defined]
            with context.nobody():
                return self.get_response(request)
        try:
            scope = scope_of(request)
        except DisallowedHost:
            return problem_response(
                request, status=400, error="The Host header is not valid.", code="invalid_host"
            )
        except (AppError, DatabaseError) as error:
            described = describe(error)
            if described is None:
                raise
            return problem_response(request, **described)
        exchange.serve(scope)
        match scope:
            case context.TenantIdentity():
                return self._within_share(request, scope)
            case context.OperatorScope():
                request.urlconf = settings.PUBLIC_SCHEMA_URLCONF  # type: ignore[attr-defined]
                with context.operator():
                    response = _kept(self.get_response(request))
                if not response.streaming:
                    # It may be held back for a while (core/answer_floor.py).
                    routing.hand_back_connection()
                return response

    def _within_share(
        self, request: HttpRequest, tenant: context.TenantIdentity
    ) -> HttpResponseBase:
        limit = tenant.limits.connections or settings.TENANT_CONNECTIONS
        try:
            give_back = shares.of_this_process.take(tenant.id, limit=limit)
        except TenantBusyError as error:
            described = describe(error)
            assert described is not None
            return problem_response(request, **described)

        def finish() -> None:
            # First the connection: the place is what promises one to the next request.
            routing.hand_back_connection()
            give_back()

        try:
            with context.tenant(tenant):
                response = _kept(self.get_response(request))
        except BaseException:
            finish()
            raise
        if response.streaming:
            # Its statements are still to come.
            response._resource_closers.append(finish)  # type: ignore[attr-defined]
        else:
            finish()
        return response


def _kept(response: HttpResponseBase) -> HttpResponseBase:
    if isinstance(response, StreamingHttpResponse):
        keep_context(response)
    return response


@lru_cache(maxsize=1024)
def _canonical(asked: str) -> str:
    """The name in a Host header; the same few are asked for. Raises UnknownHostError."""
    domain, _ = split_domain_port(asked)
    if domain.endswith("."):
        # The one dot that a name may end with has been taken off.
        raise errors.UnknownHostError
    try:
        return names.canonical_host(domain)
    except errors.DomainNameError:
        raise errors.UnknownHostError from None


def scope_of(request: HttpRequest) -> context.TenantIdentity | context.OperatorScope:
    """Raises DisallowedHost, UnknownHostError or the error of a tenant that is not served."""
    if "HTTP_HOST" not in request.META:
        # Django would take the server's own name instead.
        raise DisallowedHost("There is no Host header.")
    host = _canonical(request.get_host())
    if host == settings.PUBLIC_HOST:
        return context.OPERATOR
    route = routing.find_route(host)
    if route is None:
        raise errors.UnknownHostError
    selectors.require_served(state=route.state, reason=route.reason)
    versions.require_current(route.tenant)
    return route.tenant
