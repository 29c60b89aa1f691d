"""The audit trail of the tenant that asks, as a file. For its administrators."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any
from uuid import UUID

import psycopg
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from shared_apps.audit import people, selectors
from shared_apps.audit.exports import entries
from shared_apps.audit.exports.rendering import FORMATS
from shared_apps.audit.exports.serializers import ExportQuery
from shared_apps.audit.exports.writing import Export, Limit
from shared_apps.audit.reader import reading
from shared_apps.audit.serializers import parse
from shared_apps.audit.views import AuditView
from shared_apps.core import context
from shared_apps.core.rate_limits.rates import RateClass

LIMIT = Limit(entries=100_000, seconds=120)
"""Of one request. What is left is fetched with `after`, or by the operator with `audit export`."""

_PAGE = 250  # entries that are held while a slow reader takes them
_STATEMENT_MS = 15_000


FILE_TYPES = sorted({chosen.content_type.partition(";")[0] for chosen in FORMATS.values()})


class _AsAsked(BaseContentNegotiation):
    """`format` says what is sent; whatever `Accept` says, errors are JSON."""

    def select_renderer(
        self,
        request: Request,
        renderers: Any,
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ExportView(AuditView):
    """Streams entries, oldest first. The last line is a manifest; without it the file was cut.

    Between two pages no connection is held, so a reader may take its time.
    """

    rate_class = RateClass.EXPORT

    content_negotiation_class = _AsAsked

    @extend_schema(
        parameters=[ExportQuery], responses={(200, kind): OpenApiTypes.STR for kind in FILE_TYPES}
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        tenant = context.require_tenant()
        asked = parse(ExportQuery, request.query_params)
        if "modified_by" in asked:
            asked["modified_by"] = people.author_of(asked["modified_by"])
        chosen = FORMATS[asked["format"]]
        names = {field.name for field in fields(selectors.EntryFilter)}
        with reading_page(tenant.id) as connection:
            last = entries.last_number(connection, tenant.id)
        wanted = entries.ChainRead(
            tenant_id=tenant.id,
            where=selectors.EntryFilter(**{k: v for k, v in asked.items() if k in names}),
            after=asked.get("after", 0),
            last=last,
        )
        # Before the first byte: how many entries it can be at most, because a reader may stop anywhere.
        self.record("export", _as_recorded(request, asked), min(last - wanted.after, LIMIT.entries))
        now = timezone.now()
        export = Export(
            format=chosen, reading=reading_page, chains=[wanted], exported_at=now, limit=LIMIT,
            page_size=_PAGE,
        )  # fmt: skip
        is_asynchronous = isinstance(request._request, ASGIRequest)
        name = f"audit-{tenant.slug}-{now:%Y%m%dT%H%M%SZ}.{chosen.suffix}"
        return StreamingHttpResponse(
            _steps(iter(export)) if is_asynchronous else iter(export),
            headers={
                "Content-Type": chosen.content_type,
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )


def _as_recorded(request: Request, asked: dict[str, Any]) -> dict[str, str]:
    """The question as the trail keeps it, with a person's id instead of the address."""
    query = {name: str(value) for name, value in request.query_params.items()}
    return query | ({"modified_by": asked["modified_by"]} if "modified_by" in asked else {})


@contextmanager
def reading_page(tenant_id: UUID) -> Iterator[psycopg.Connection[Any]]:
    """Sees one tenant's entries, and is not kept waiting by one query."""
    with reading([tenant_id]) as connection:
        connection.execute(f"SET LOCAL statement_timeout = {_STATEMENT_MS}")
        yield connection


async def _steps(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    def step() -> bytes:
        return next(parts, b"")

    # Under ASGI a plain iterator would be read into memory as a whole. Any thread will do.
    take = sync_to_async(step, thread_sensitive=False)
    while part := await take():
        yield part
