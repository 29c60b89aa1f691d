"""django-tenants' side, in a process of its own."""

import time
from uuid import uuid4

import django

from tests.benchmarks.tenants.project import UNDO_SQL


class Peer:
    """A target of `workers.worker`."""

    def __init__(self) -> None:
        django.setup()

    def install(self, *, tenants: int) -> None:
        """The shared schema, the schema `base`, and so many tenants."""
        from customers.models import Client, Domain
        from django.conf import settings
        from django.core.management import call_command
        from django.db import connection

        if not getattr(settings, "TENANT_BASE_SCHEMA", None):
            call_command("migrate_schemas", "--shared", verbosity=0)
            with connection.schema_editor() as editor:
                editor.create_model(Client)
                editor.create_model(Domain)
            Client(schema_name="base").save(verbosity=0)
        for number in range(tenants):
            Client(schema_name=f"peer_{number:04}").save(verbosity=0)

    def create(self) -> float:
        from customers.models import Client

        client = Client(schema_name=f"made_{uuid4().hex[:8]}")
        started = time.perf_counter()
        client.save(verbosity=0)
        taken = time.perf_counter() - started
        client.delete(force_drop=True)
        return taken

    def undo_release(self) -> None:
        from customers.models import Client
        from django.db import connection

        schemas = list(Client.objects.values_list("schema_name", flat=True))
        with connection.cursor() as cursor:
            for schema in schemas:
                cursor.execute(f'SET search_path = "{schema}"; {"; ".join(UNDO_SQL)}')
            cursor.execute(
                "SET search_path = public;"
                " DELETE FROM django_migrations WHERE app = 'bench_a' AND name > '0100'"
            )
