"""Stock parts: django-tenants' middleware, database backend and cache key in Django's ASGI handler.

Prints what each tenant finds in the cache after each has put its own name there if nothing was there.
Needs no server: the key function asks the connection object only, and that is what is wrong with it.
"""

import asyncio
import json

import django
import httpx
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="probe",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django_tenants.postgresql_backend", "NAME": "none"}},
    DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "KEY_FUNCTION": "django_tenants.cache.make_key",
        }
    },
    MIDDLEWARE=[f"{__name__}.ByHost"],
    INSTALLED_APPS=["django_tenants", "django.contrib.contenttypes"],
    TENANT_MODEL="none.Tenant",
    TENANT_DOMAIN_MODEL="none.Domain",
    SHARED_APPS=["django_tenants", "django.contrib.contenttypes"],
    TENANT_APPS=["django.contrib.contenttypes"],
)


# Only after the settings: it reads them while it is imported.
from django_tenants.middleware.main import TenantMainMiddleware  # noqa: E402


class Tenant:
    domain_url = ""

    def __init__(self, schema_name: str) -> None:
        self.schema_name = schema_name


class ByHost(TenantMainMiddleware):
    """The stock middleware; only the look-up of the host is replaced, as its hook is meant for."""

    def process_request(self, request):
        from django.db import connection

        connection.set_tenant(Tenant(request.get_host().split(".")[0]))


def in_thread(request):
    from django.core.cache import cache

    return HttpResponse(cache.get_or_set("sync", request.get_host().split(".")[0]))


async def in_event_loop(request):
    from django.core.cache import cache

    # Django allows this; only the database refuses to be asked in an event loop.
    return HttpResponse(cache.get_or_set("async", request.get_host().split(".")[0]))


urlpatterns = [path("sync", in_thread), path("async", in_event_loop)]


async def main() -> None:
    from django.core.cache import cache
    from django.db import connection

    transport = httpx.ASGITransport(get_asgi_application())

    async def ask(where: str, tenant: str) -> str:
        async with httpx.AsyncClient(transport=transport) as client:
            return (await client.get(f"http://{tenant}.localhost/{where}")).text

    found = {
        where: {tenant: await ask(where, tenant) for tenant in ("acme", "globex")}
        for where in ("sync", "async")
    }
    connection.set_tenant(Tenant("globex"))
    cache.set("key", "globex")
    connection.set_tenant(Tenant("acme"))
    cache.clear()
    connection.set_tenant(Tenant("globex"))
    print(json.dumps({**found, "left to globex after acme's clear": cache.get("key")}))


if __name__ == "__main__":
    django.setup()
    asyncio.run(main())
