"""Addresses that do what the product's own do not: sleep, stream, wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from django.db import connection
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path

from tenant_apps.invoicing.models import Vendor


def statement(request: HttpRequest, number: int) -> JsonResponse:
    """What the server sees of a statement of this request."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_query(), current_setting('application_name'), %s", ["5%"])
        query, application_name, _ = cursor.fetchone()
    return JsonResponse({"query": query, "application_name": application_name})


def sleep(request: HttpRequest) -> JsonResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [float(request.GET["seconds"])])
    return JsonResponse({})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def names() -> Iterator[str]:
        for _ in range(3):
            for vendor in Vendor.objects.all():
                yield f"{vendor.name}\n"
            time.sleep(0.001)

    return StreamingHttpResponse(names(), content_type="text/plain")


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def names() -> AsyncIterator[str]:
        for _ in range(3):
            async for vendor in Vendor.objects.all():
                yield f"{vendor.name}\n"
            await asyncio.sleep(0.001)

    return StreamingHttpResponse(names(), content_type="text/plain")


async def async_read(request: HttpRequest) -> JsonResponse:
    seen = set()
    for _ in range(5):
        seen.add((await Vendor.objects.aget()).name)
        await asyncio.sleep(0)
    return JsonResponse({"names": sorted(seen)})


urlpatterns = [
    path("statement/<int:number>/", statement, name="statement"),
    path("sleep/", sleep, name="sleep"),
    path("stream/", stream, name="stream"),
    path("async-stream/", async_stream, name="async-stream"),
    path("async-read/", async_read, name="async-read"),
]
