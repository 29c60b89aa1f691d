"""Views that run into each error of the database, and into others, behind the product's own layers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.core import context
from shared_apps.core.errors import ApiError
from shared_apps.core.limits import TenantLimits
from tenant_apps.idempotency.guarding import guarded
from tenant_apps.invoicing.models import InvoiceNumberCounter, Vendor
from tenant_apps.invoicing.services import drafts, vendors

SECRET = "Zz9-secret"
# What happens at a step of a view, named here by a test; called with the number of the attempt.
STEPS: dict[str, Callable[[int], None]] = {}
ATTEMPTS: list[str] = []


class _View(APIView):
    permission_classes = [AllowAny]


def _vendor(name: str = "v") -> Vendor:
    return vendors.create_vendor(name=name, vat_id="", email="", address="", created_by=UUID(int=0))


def _execute(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _violate_unique() -> None:
    for _ in range(2):
        InvoiceNumberCounter.objects.create(year=2026)


def _refer_to_nothing() -> None:
    """Found out by the commit."""
    item = drafts.create_invoice(vendor_id=_vendor().id, items=[], created_by=UUID(int=0))
    _execute("UPDATE invoicing_invoice SET vendor_id = %s WHERE id = %s", UUID(int=1), item.id)


def _delete_what_is_used() -> None:
    vendor = _vendor()
    drafts.create_invoice(vendor_id=vendor.id, items=[], created_by=UUID(int=0))
    vendor.delete()


def _raise(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def _time_out() -> None:
    own = context.require_tenant()
    with context.tenant(replace(own, limits=TenantLimits(statement_timeout_ms=50))):
        _execute("SELECT pg_sleep(60)")


def _wait_for_a_lock() -> None:
    _execute("SET LOCAL lock_timeout = 50")
    _execute("LOCK TABLE invoicing_invoicingpolicy")


FAILURES: dict[str, Callable[[], Any]] = {
    "unique": _violate_unique,
    "foreign-key": _refer_to_nothing,
    "protected": _delete_what_is_used,
    "check": lambda: _vendor(" "),
    "not-null": lambda: _execute(
        "UPDATE invoicing_vendor SET name = NULL WHERE %s", bool(_vendor())
    ),
    "out-of-range": lambda: InvoiceNumberCounter.objects.create(year=99_999),
    "too-long": lambda: _execute(
        "UPDATE invoicing_vendor SET vat_id = repeat('x', 99) WHERE %s", bool(_vendor())
    ),
    "statement-timeout": _time_out,
    "lock-timeout": _wait_for_a_lock,
    "no-table": lambda: _execute(f'SELECT * FROM "{SECRET}"'),
    "syntax": lambda: _execute(f"SELEKT '{SECRET}'"),
    "defect": _raise(RuntimeError(SECRET)),
    "operational": _raise(ApiError(418, "Tea only.", pot="small")),
    "not-operational": _raise(ApiError(400, SECRET, is_operational=False)),
    "throttled": _raise(Throttled(wait=6.2)),
}


class FailView(_View):
    def post(self, request: Request, kind: str) -> Response:
        _vendor("lost")
        FAILURES[kind]()
        return Response({})


class CollideView(_View):
    """Reads, has others change what it read, and changes it."""

    def post(self, request: Request) -> Response:
        _execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        vendor = Vendor.objects.get()
        ATTEMPTS.append(vendor.name)
        STEPS["between"](len(ATTEMPTS))
        Vendor.objects.filter(id=vendor.id).update(name=f"{vendor.name}, changed")
        transaction.on_commit(lambda: ATTEMPTS.append("committed"))
        return Response({"name": vendor.name})


class DeadlockView(_View):
    def post(self, request: Request) -> Response:
        first, second = Vendor.objects.order_by("name")
        Vendor.objects.select_for_update().get(id=first.id)
        ATTEMPTS.append("locked")
        STEPS["between"](len(ATTEMPTS))
        Vendor.objects.select_for_update().get(id=second.id)
        return Response({})


class AfterCommitView(_View):
    """The transaction is over when it fails."""

    def post(self, request: Request) -> Response:
        ATTEMPTS.append("once")
        _vendor("kept")
        transaction.on_commit(lambda: STEPS["after"](0))
        return Response({})


class StreamView(_View):
    def get(self, request: Request) -> HttpResponseBase:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begun,"
            raise RuntimeError(SECRET)

        return StreamingHttpResponse(parts())


def page(request: HttpRequest, kind: str) -> HttpResponse:
    """Of Django alone, without the REST framework."""
    FAILURES[kind]()
    return HttpResponse()


class FailingMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == "/middleware/":
            raise RuntimeError(SECRET)
        return self.get_response(request)


urlpatterns = guarded(
    [
        path("fail/<str:kind>/", FailView.as_view()),
        path("collide/", CollideView.as_view()),
        path("deadlock/", DeadlockView.as_view()),
        path("after-commit/", AfterCommitView.as_view()),
        path("stream/", StreamView.as_view()),
        path("page/<str:kind>/", page),
    ]
)
