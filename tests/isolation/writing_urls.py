"""An async view that signs its caller in and writes: from coroutines, threads and executors, with pauses between."""

import asyncio
import random
from collections.abc import Callable
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

from shared_apps.authn.authentication import TokenAuthentication
from shared_apps.core import context
from tenant_apps.invoicing.models import Vendor

WRITES = 7


async def write(request: HttpRequest, name: str) -> JsonResponse:
    """Every vendor that it makes has this name."""
    await sync_to_async(TokenAuthentication().authenticate)(request)

    def make() -> None:
        Vendor.objects.create(name=name, created_by=UUID(int=0))

    await _pause()
    await Vendor.objects.acreate(name=name, created_by=UUID(int=0))
    await _pause()
    await asyncio.to_thread(_closing, make)
    await _pause()
    await asyncio.gather(
        Vendor.objects.acreate(name=name, created_by=UUID(int=0)),
        sync_to_async(make)(),
    )
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, context.bound(lambda: _closing(make)))
    await _pause()
    await sync_to_async(transaction.atomic(make))()
    await asyncio.create_task(Vendor.objects.acreate(name=name, created_by=UUID(int=0)))
    return JsonResponse({}, status=201)


async def _pause() -> None:
    """A read, and a moment in which others go on."""
    await Vendor.objects.acount()
    await asyncio.sleep(random.uniform(0, 0.01))


def _closing(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connections.close_all()


urlpatterns = [path("write/<str:name>/", write, name="write")]
