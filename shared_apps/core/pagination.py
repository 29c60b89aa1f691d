"""One paginator for every list, and one for streams that only grow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from shared_apps.core.api import parameters

LARGEST_PAGE = 500
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a list: by the number of its page, or by limit and offset."""

    offset: int
    size: int
    is_page: bool

    @property
    def page(self) -> int:
        return self.offset // self.size + 1


class PagePagination(PageNumberPagination):
    """`?page=` and `?page_size=`, or `?limit=` and `?offset=`; `{count, next, previous, results}`.

    50 rows, or as many as asked for up to 500. A page beyond the end is 404, an offset there is empty; what
    is no number, or both ways at once, is 400.
    """

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = LARGEST_PAGE
    limit_query_param = "limit"
    offset_query_param = "offset"

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        self._url = request.build_absolute_uri()
        self.window = self._window(request, view)
        self.count = queryset.count() if isinstance(queryset, QuerySet) else len(queryset)
        start, size = self.window.offset, self.window.size
        if start >= self.count and self.window.is_page and start > 0:
            raise NotFound("There is no such page.")
        # The count bounds how far PostgreSQL is sent.
        return list(queryset[start : start + size]) if start < self.count else []

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "count": self.count,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
                "results": data,
            }
        )

    def get_next_link(self) -> str | None:
        following = self.window.offset + self.window.size
        return self._link(following) if following < self.count else None

    def get_previous_link(self) -> str | None:
        if self.window.offset == 0:
            return None
        before = min(self.window.offset, self.count) - self.window.size
        return self._link(max(0, before))

    def get_schema_operation_parameters(self, view: APIView) -> list[Any]:
        pages = super().get_schema_operation_parameters(view)
        for parameter in pages:
            parameter["schema"]["minimum"] = 1
        texts = (
            (self.limit_query_param, 1, "Number of results, instead of pages."),
            (self.offset_query_param, 0, "How many results to leave out first, instead of pages."),
        )
        return pages + [
            {"name": name, "required": False, "in": "query", "description": text,
             "schema": {"type": "integer", "minimum": least}}
            for name, least, text in texts
        ]  # fmt: skip

    def _window(self, request: Request, view: APIView | None) -> Window:
        asked = request.query_params
        if not asked:
            return Window(0, self.page_size or LARGEST_PAGE, is_page=True)
        by_page = (self.page_query_param, str(self.page_size_query_param))
        by_offset = (self.limit_query_param, self.offset_query_param)
        parameters.require_known(request, view, also=(*by_page, *by_offset))
        if not any(name in asked for name in by_offset):
            size = self._size(request, by_page[1])
            page = _number(request, by_page[0], default=1, least=1)
            return Window((page - 1) * size, size, is_page=True)
        if both := [name for name in by_page if name in asked]:
            raise ValidationError({name: ["Not with limit or offset."] for name in both})
        size = self._size(request, by_offset[0])
        return Window(_number(request, by_offset[1], default=0, least=0), size, is_page=False)

    def _size(self, request: Request, name: str) -> int:
        asked = _number(request, name, default=self.page_size or LARGEST_PAGE, least=1)
        return min(asked, LARGEST_PAGE)

    def _link(self, offset: int) -> str:
        url = self._url
        if not self.window.is_page:
            url = replace_query_param(url, self.limit_query_param, str(self.window.size))
            return replace_query_param(url, self.offset_query_param, str(offset))
        page = offset // self.window.size + 1
        if page == 1:
            return remove_query_param(url, self.page_query_param)
        return replace_query_param(url, self.page_query_param, str(page))


class StreamPagination(CursorPagination):
    """For rows that are only ever added: `?cursor=`, no count, and nothing twice while the list grows.

    A view names the columns, the last of them unique, in `ordering` of a subclass. The audit trail's own
    lists go over several tenants of another database and have theirs (shared_apps/audit/cursors.py).
    """

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = LARGEST_PAGE
    ordering: Any = ("-created_at", "-id")

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        names = (self.cursor_query_param, str(self.page_size_query_param))
        parameters.require_known(request, view, also=names)
        _number(request, names[1], default=1, least=1)
        try:
            return super().paginate_queryset(queryset, request, view)  # type: ignore[arg-type]  # a queryset
        except NotFound:
            raise ValidationError({names[0]: ["This is not a position in a list."]}) from None


def _number(request: Request, name: str, *, default: int, least: int) -> int:
    text = parameters.given(request, name)
    if text is None:
        return default
    if _NUMBER.fullmatch(text) is None or int(text) < least:
        raise ValidationError({name: [f"A whole number of at least {least} is required."]})
    return int(text)
