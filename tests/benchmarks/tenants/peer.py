"""django-tenants' side, in a process of its own."""

import time
from typing import Any
from uuid import uuid4

import django

from tests.benchmarks.tenants.project import UNDO_SQL


class Peer:
    """A target of `workers.worker`."""

    def __init__(self) -> None:
        django.setup()

    def install(self, *, tenants: int) -> None:
        """The shared schema, the schema `base`, and so many tenants."""
        from django.conf import settings
        from django.core.management import call_command
        from django.db import connection
        from django_tenants.utils import get_tenant_domain_model

        if not getattr(settings, "TENANT_BASE_SCHEMA", None):
            call_command("migrate_schemas", "--shared", verbosity=0)
            with connection.schema_editor() as editor:
                editor.create_model(_client())
                editor.create_model(get_tenant_domain_model())  # type: ignore[no-untyped-call]  # not typed
            _client()(schema_name="base").save(verbosity=0)
        for number in range(tenants):
            _client()(schema_name=f"peer_{number:04}").save(verbosity=0)

    def create(self) -> float:
        """Seconds until a schema is ready. It stays: file systems may remember what was deleted."""
        client = _client()(schema_name=f"made_{uuid4().hex[:8]}")
        started = time.perf_counter()
        client.save(verbosity=0)
        return time.perf_counter() - started

    def drop(self) -> float:
        client = _client()(schema_name=f"made_{uuid4().hex[:8]}")
        client.save(verbosity=0)
        started = time.perf_counter()
        client.delete(force_drop=True)
        return time.perf_counter() - started

    def undo_release(self) -> None:
        from django.db import connection

        schemas = list(_client().objects.values_list("schema_name", flat=True))
        with connection.cursor() as cursor:
            for schema in schemas:
                cursor.execute(f'SET search_path = "{schema}"; {"; ".join(UNDO_SQL)}')
            cursor.execute(
                "SET search_path = public;"
                " DELETE FROM django_migrations WHERE app = 'bench_a' AND name > '0100'"
            )


def _client() -> Any:
    from django_tenants.utils import get_tenant_model

    return get_tenant_model()  # type: ignore[no-untyped-call]  # not typed
