"""`ETag`, `If-Match` and `If-None-Match` for rows that count their versions."""

import hashlib
from functools import partial
from typing import Any, ClassVar

from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseNotModified
from rest_framework.request import Request
from rest_framework.response import Response

from shared_apps.core.base_models import VersionedModel
from shared_apps.core.errors import PreconditionRequiredError
from shared_apps.core.preconditions import (
    Expected,
    MalformedTagError,
    expected_of,
    require_expected,
    tags_of,
)

_READS = ("GET", "HEAD", "OPTIONS")
_CHANGES = ("PUT", "PATCH", "DELETE")


class ConditionalRequests:
    """Of a generic view: tags what it shows, and keeps a change from a row that was changed since.

    A tag is the row's version and a digest of what is shown, so that it changes with either; `If-Match`
    asks for the version alone.
    """

    # No defaults here: the router puts this class in front of the view's own.
    if_match_required: ClassVar[bool]
    """Whether PUT, PATCH and DELETE without `If-Match` are refused (428)."""

    request: Any
    _shown: Any = None

    @property
    def expected(self) -> Expected | None:
        """What the request's `If-Match` allows. Raises MalformedTagError."""
        return expected_of(self.request.headers.get("If-Match"))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]  # a mixin of views
        if (
            getattr(self, "if_match_required", False)
            and request.method in _CHANGES
            and "If-Match" not in request.headers
        ):
            raise PreconditionRequiredError

    def get_object(self) -> Any:
        """To be changed, it is locked until the transaction ends; without one, saving it finds out.

        Raises:
            PreconditionFailedError: it has another version than the request names.
        """
        found = super().get_object()  # type: ignore[misc]  # a mixin of views
        if self.request.method in _READS or not isinstance(found, VersionedModel):
            return found
        if not transaction.get_connection().in_atomic_block:
            require_expected(found, self.expected)
            return found
        locked = type(found)._base_manager.select_for_update().filter(pk=found.pk)
        version = locked.values_list("version", flat=True).first()
        if version is None:
            raise Http404
        if version != found.version:
            found = super().get_object()  # type: ignore[misc]  # a mixin of views
        require_expected(found, self.expected)
        return found

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        self._shown = super().get_serializer(*args, **kwargs)  # type: ignore[misc]  # a mixin of views
        return self._shown

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]  # a mixin of views
        row = getattr(self._shown, "instance", None)
        if isinstance(row, VersionedModel) and answer.status_code in (200, 201):
            answer.add_post_render_callback(partial(_tagged, request, row.version))
        return answer


def _tagged(request: Request, version: int, response: HttpResponse) -> HttpResponse | None:
    digest = hashlib.blake2b(response.content, digest_size=8).hexdigest()
    opaque = f"{version}-{digest}"
    response["ETag"] = f'"{opaque}"'
    if request.method not in ("GET", "HEAD") or not _is_known(request, opaque):
        return None
    unchanged = HttpResponseNotModified()
    for name in ("ETag", "Vary", "Cache-Control"):
        if name in response:
            unchanged[name] = response[name]
    return unchanged


def _is_known(request: Request, opaque: str) -> bool:
    """Whether the client has it. A header that is no list of tags is as good as none."""
    header = request.headers.get("If-None-Match", "")
    if header.strip() == "*":
        return True
    try:
        return bool(header) and opaque in [known for _, known in tags_of(header)]
    except MalformedTagError:
        return False
