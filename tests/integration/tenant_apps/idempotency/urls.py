"""The product's addresses, and views that answer in every way, count their calls and stop at moments to be killed at."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from config.urls import urlpatterns as product
from shared_apps.accounts.choices import Permission
from shared_apps.core import errors
from shared_apps.core.execution import Execution
from tenant_apps.idempotency.guarding import guarded
from tenant_apps.invoicing.services import vendors

# What each call was given, in this process.
CALLS: list[Any] = []
# A directory with a file that is named like the moment to stop at.
MOMENTS = "TEST_MOMENTS"


def make_vendor(name: str) -> UUID:
    made = vendors.create_vendor(name=name, vat_id="", email="", address="", created_by=UUID(int=0))
    return made.id


class PreconditionError(errors.ApiError):
    pass


RAISED: Mapping[int, Exception] = {
    400: ValidationError({"name": ["wrong"]}),
    401: errors.UnauthenticatedError(),
    403: errors.ForbiddenError(),
    404: errors.NotFoundError(),
    409: errors.ConflictError(),
    410: errors.GoneError(),
    412: errors.ApiError(412, "It has changed."),
    422: errors.UnprocessableError(),
    429: errors.LimitedError(retry_after=3),
    500: RuntimeError("secret"),
    503: errors.UnavailableError(),
}


class AnswerView(APIView):
    """Writes, and then answers with the status in its address."""

    def _answer(self, request: Request, status: int) -> Response:
        CALLS.append(request.data)
        made = make_vendor(f"by {request.method} {status}")
        if status in RAISED:
            raise RAISED[status]
        headers = {"Location": f"/made/{made}", "ETag": '"1"', "X-Of-This-Exchange": "1"}
        return Response(
            None if status == 204 else {"id": str(made)}, status=status, headers=headers
        )

    post = put = patch = delete = _answer


class RequiredView(APIView):
    execution = Execution.KEY_REQUIRED

    def post(self, request: Request) -> Response:
        return Response({"id": str(make_vendor("required"))}, status=201)


class AtomicView(APIView):
    execution = Execution.ATOMIC

    def post(self, request: Request) -> Response:
        return Response({"id": str(make_vendor("atomic"))}, status=201)


class PlainView(APIView):
    """Keeps what it wrote, whatever comes after."""

    execution = Execution.PLAIN

    def post(self, request: Request) -> Response:
        make_vendor("plain")
        raise errors.ConflictError


class Anybody(BasePermission):
    pass


class OpenView(APIView):
    permission_classes = [Anybody]

    def post(self, request: Request) -> Response:
        return Response({"id": str(make_vendor("open"))}, status=201)


class LargeView(APIView):
    """Answers of which only can be kept that they were given."""

    def post(self, request: Request, kind: str) -> HttpResponseBase:
        CALLS.append(kind)
        made = make_vendor(kind)
        if kind == "streamed":
            return StreamingHttpResponse(iter([b"a", b"b"]))
        return Response({"id": str(made), "text": "x" * 600_000})


class FormView(APIView):
    parser_classes = [MultiPartParser]

    def post(self, request: Request) -> Response:
        file = request.data["file"]
        assert isinstance(file, UploadedFile)
        return Response({"id": str(make_vendor("form")), "read": file.read().decode()}, status=201)


class OwnObjectsView(APIView):
    """Asks about each object, which no one can do before a replay."""

    required_permissions: ClassVar[Mapping[str, Permission]] = {"POST": Permission.READ}

    def post(self, request: Request) -> Response:
        return Response({"id": str(make_vendor("own"))}, status=201)


class AnswerViewSet(ViewSet):
    def create(self, request: Request) -> Response:
        CALLS.append(request.data)
        return Response({"id": str(make_vendor("set"))}, status=201)


class PausedView(APIView):
    """Stops at a moment for which there is a file, after writing its process there."""

    def post(self, request: Request) -> Response:
        (Path(os.environ[MOMENTS]) / "pid").write_text(str(os.getpid()))
        _pause("before the effect")
        made = make_vendor("paused")
        _pause("after the effect")
        transaction.on_commit(lambda: _pause("after the commit"))
        return Response(Paused({"id": str(made)}), status=201)


class Paused(dict[str, str]):
    """Stops where it is rendered."""

    def items(self) -> Any:
        _pause("while rendering")
        return super().items()


def _pause(moment: str) -> None:
    file = Path(os.environ[MOMENTS]) / moment
    if file.exists():
        file.write_text(str(os.getpid()))
        time.sleep(60)


def _patterns() -> Iterator[Any]:
    yield path("answer/<int:status>/", AnswerView.as_view())
    yield path("required/", RequiredView.as_view())
    yield path("atomic/", AtomicView.as_view())
    yield path("plain/", PlainView.as_view())
    yield path("open/", OpenView.as_view())
    yield path("large/<str:kind>/", LargeView.as_view())
    yield path("form/", FormView.as_view())
    yield path("own/", OwnObjectsView.as_view())
    yield path("set/", AnswerViewSet.as_view({"post": "create"}))
    yield path("paused/", PausedView.as_view())


urlpatterns = [*guarded(_patterns()), *product]
