"""Interleaved reads through django-tenants' own backend, in a process of its own.

Reads the connection from standard input; prints how many of how many rows were another tenant's.
"""

import json
import sys
import threading
from typing import Any


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {"ENGINE": "django_tenants.postgresql_backend", **given["database"]}},
        DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
        INSTALLED_APPS=["django_tenants", "django.contrib.contenttypes"],
        SHARED_APPS=["django_tenants", "django.contrib.contenttypes"],
        TENANT_APPS=["django.contrib.contenttypes"],
        TENANT_MODEL="tenants.Tenant",
        TENANT_DOMAIN_MODEL="tenants.Domain",
        TENANT_LIMIT_SET_CALLS=given["limit_set_calls"],
    )
    import django
    from django.db import connection

    django.setup()
    foreign: list[int] = []
    barrier = threading.Barrier(len(given["schemas"]))

    def read(schema: str) -> None:
        connection.set_schema(schema)
        barrier.wait(timeout=10)
        count = 0
        for _ in range(given["reads"]):
            with connection.cursor() as cursor:
                cursor.execute("SELECT owner FROM marker")
                count += cursor.fetchone()[0] != schema
        foreign.append(count)
        connection.close()

    threads = [threading.Thread(target=read, args=(schema,)) for schema in given["schemas"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"foreign": sum(foreign), "reads": given["reads"] * len(threads)}))


if __name__ == "__main__":
    main()
