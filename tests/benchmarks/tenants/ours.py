"""The product's side, in a process of its own."""

import time
from typing import Any
from uuid import uuid4

import django

from tests.benchmarks.tenants.project import RELEASE_SQL, UNDO_SQL


class Ours:
    """A target of `workers.worker`."""

    def __init__(self) -> None:
        django.setup()

    def install(self, *, tenants: int) -> None:
        """Everything, and so many active tenants from the template."""
        from django.core.management import call_command

        from shared_apps.core import attribution, context
        from shared_apps.fleet import services
        from shared_apps.tenants.choices import TenantState
        from shared_apps.tenants.models import Tenant

        with attribution.acting(attribution.command("bench")), context.operator():
            call_command("install", verbosity=0)
            for number in range(tenants):
                identity = _identity(f"bench-{number:04}")
                Tenant(
                    id=identity.id, slug=identity.slug, name=identity.slug,
                    schema_name=identity.schema, role_name=identity.role,
                    state=TenantState.ACTIVE,
                ).save()  # type: ignore[no-untyped-call]  # django-tenants'  # fmt: skip
                services.create_schema(identity)

    def create(self) -> float:
        """Seconds until a schema is ready; it is gone again afterwards."""
        from shared_apps.core import context
        from shared_apps.fleet import services
        from shared_apps.onboarding import schemas

        identity = _identity(f"made-{uuid4().hex[:8]}")
        with context.operator():
            started = time.perf_counter()
            services.create_schema(identity)
            taken = time.perf_counter() - started
            schemas.drop_schema(identity)
        return taken

    def claim(self) -> float:
        """The same with a spare schema in the pool, which was made before."""
        from shared_apps.core import context
        from shared_apps.fleet import services

        with context.operator():
            services.fill_spares(target=1, on_step=lambda _: None)
            taken = self.create()
            if services.fill_spares(target=0, on_step=lambda _: None).ready:
                raise RuntimeError("the schema did not come from the pool")
        return taken

    def create_barely(self) -> float:
        """The script of the template, and nothing else."""
        import psycopg
        from django.conf import settings

        from shared_apps.core import context
        from shared_apps.fleet import templates
        from shared_apps.fleet.catalogue import script

        role = settings.DATABASES["migration"]["USER"]
        with context.operator():
            text = script.fill(templates.ensure_template().script, schema="t_floor", role=role)
        with psycopg.connect(**_login()) as floor:
            floor.execute("SET synchronous_commit = off")
            floor.commit()
            started = time.perf_counter()
            floor.execute(f"CREATE SCHEMA t_floor; SET LOCAL search_path = t_floor; {text}")
            floor.commit()
            taken = time.perf_counter() - started
            floor.execute("DROP SCHEMA t_floor CASCADE")
        return taken

    def migrate_barely(self) -> float:
        """The release by hand: one message and transaction for each tenant."""
        import psycopg

        statements = "; ".join(RELEASE_SQL)
        with psycopg.connect(**_login(), autocommit=True) as floor:
            floor.execute("SET synchronous_commit = off")
            schemas = _schemas(floor)
            started = time.perf_counter()
            for schema in schemas:
                floor.execute(f"BEGIN; SET LOCAL search_path = {schema}; {statements}; COMMIT")
            return time.perf_counter() - started

    def undo_release(self) -> None:
        """As it was before; and the catalogue cleaned of what that leaves."""
        import psycopg

        with psycopg.connect(**_login(), autocommit=True) as owner:
            for schema in _schemas(owner):
                owner.execute(
                    f"BEGIN; SET LOCAL search_path = {schema}; {'; '.join(UNDO_SQL)}; COMMIT"
                )
            owner.execute(
                "DELETE FROM public.django_migrations WHERE app = 'bench_a' AND name > '0100'"
            )
            owner.execute(
                "UPDATE public.fleet_schemaversion SET is_between = false, fingerprint ="
                " (SELECT fingerprint FROM public.fleet_schematemplate ORDER BY created_at LIMIT 1)"
            )


def _identity(slug: str) -> Any:
    """Imports of the product wait for its set-up."""
    from django.conf import settings

    from shared_apps.core.context import TenantIdentity
    from shared_apps.tenants import names

    schema = names.schema_of(slug)
    role = names.role_of(schema, database=settings.DATABASES["default"]["NAME"])
    return TenantIdentity(id=uuid4(), slug=slug, schema=schema, role=role)


def _login() -> dict[str, Any]:
    from django.conf import settings

    database = settings.DATABASES["migration"]
    return {
        "host": database["HOST"], "port": database["PORT"], "dbname": database["NAME"],
        "user": database["USER"], "password": database["PASSWORD"],
    }  # fmt: skip


def _schemas(owner: Any) -> list[str]:
    rows = owner.execute("SELECT schema_name FROM public.tenants_tenant ORDER BY 1").fetchall()
    return [row[0] for row in rows]
