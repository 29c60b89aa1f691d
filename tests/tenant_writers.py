"""Somebody who goes on writing in a tenant while something else runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from uuid import uuid4

from django.db import connections

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Vendor


def _vendor(name: str) -> Vendor:
    return Vendor.objects.create(name=name, created_by=uuid4())


def make_vendor(tenant: TenantIdentity, name: str) -> None:
    with context.tenant(tenant), attribution.acting(attribution.command("test")):
        _vendor(name)


@contextmanager
def writing(tenant: TenantIdentity) -> Iterator[list[str]]:
    """Makes vendors, one after another; yields the ids of those that were committed."""
    made: list[str] = []
    stopping = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with context.tenant(tenant), attribution.acting(attribution.command("test")):
                for number in count():
                    if stopping.is_set():
                        return
                    made.append(str(_vendor(f"Vendor {number}").pk))
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield made
    finally:
        stopping.set()
        thread.join()
    assert failures == []
