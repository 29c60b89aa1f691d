"""The product's side, in a process of its own."""

import gzip
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import django

from tests.benchmarks.tenants.project import RELEASE_SQL, UNDO_SQL

_FLOOR = "t_floor__"


class Ours:
    """A target of `workers.worker`."""

    def __init__(self) -> None:
        django.setup()

    def install(self, *, tenants: int) -> None:
        """Everything, and so many active tenants from the template."""
        from django.core.management import call_command

        from shared_apps.core import attribution, context

        with attribution.acting(attribution.command("bench")), context.operator():
            call_command("install", verbosity=0)
            for number in range(tenants):
                _make(f"bench-{number:04}")

    def create(self) -> float:
        """Seconds until a schema is ready. It stays: file systems may remember what was deleted."""
        from shared_apps.core import context
        from shared_apps.fleet import services

        identity = _identity(f"made-{uuid4().hex[:8]}")
        with context.operator():
            started = time.perf_counter()
            services.create_schema(identity)
            return time.perf_counter() - started

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
        """The script of the template over a warm connection, and nothing else. It stays too."""
        started = time.perf_counter()
        self._make_bare_schema()
        return time.perf_counter() - started

    def drop_barely(self) -> float:
        schema = self._make_bare_schema()
        started = time.perf_counter()
        self._bare.execute(f"DROP SCHEMA {schema} CASCADE")
        return time.perf_counter() - started

    def drop(self) -> float:
        """Schema, role and ledger of an active tenant."""
        from shared_apps.core import context
        from shared_apps.onboarding import schemas

        with context.operator():
            identity = _make(f"made-{uuid4().hex[:8]}")
            started = time.perf_counter()
            schemas.drop_schema(identity)
            taken = time.perf_counter() - started
            _forget(identity)
        return taken

    def purge(self) -> float:
        """All of a tenant whose time has come."""
        from shared_apps.core import attribution, context
        from shared_apps.onboarding import deleting

        slug, now = f"made-{uuid4().hex[:8]}", datetime.now(UTC)
        with attribution.acting(attribution.command("bench")), context.operator():
            _make(slug)
            deletion = deleting.Deletion(slug, "bench", timedelta(0), without_backup=True)
            deleting.schedule_deletion(deletion=deletion, at=now)
            started = time.perf_counter()
            deleting.purge_tenant(slug=slug, at=now)
            return time.perf_counter() - started

    def fill(self, *, slug: str, rows: int) -> None:
        self._bare.execute(
            f"INSERT INTO {_identity(slug).schema}.bench_a_alpha (name, code, amount, created_at)"
            f" SELECT 'name ' || i, 'code-' || i, i, now() FROM generate_series(1, {rows}) i"
        )

    def export(self, *, slug: str, path: str) -> float:
        from shared_apps.core import attribution, context
        from shared_apps.onboarding.archive.exporting import export_tenant

        with attribution.acting(attribution.command("bench")), context.operator():
            started = time.perf_counter()
            export_tenant(slug=slug, path=Path(path), at=datetime.now(UTC))
            taken = time.perf_counter() - started
        Path(path).unlink()
        return taken

    def export_barely(self, *, slug: str, path: str) -> float:
        """COPY of every table by its name into one packed file."""
        schema = _identity(slug).schema
        rows = self._bare.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]
        ).fetchall()
        started = time.perf_counter()
        with gzip.open(path, "wb", 1) as file, self._bare.cursor() as cursor:
            for (table,) in rows:
                with cursor.copy(f"COPY {schema}.{table} TO STDOUT") as copy:
                    for data in copy:
                        file.write(data)
        taken = time.perf_counter() - started
        Path(path).unlink()
        return taken

    def _make_bare_schema(self) -> str:
        schema = f"t_bare_{uuid4().hex[:8]}"
        text = self._script.replace(_FLOOR, schema)
        self._bare.execute(
            f"BEGIN; CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}; {text}; COMMIT"
        )
        return schema

    @cached_property
    def _script(self) -> str:
        from django.conf import settings

        from shared_apps.core import context
        from shared_apps.fleet import templates
        from shared_apps.fleet.catalogue import script

        with context.operator():
            text = templates.ensure_template().script
        return script.fill(text, schema=_FLOOR, role=settings.DATABASES["migration"]["USER"])

    @cached_property
    def _bare(self) -> Any:
        """A connection without Django."""
        import psycopg

        connection = psycopg.connect(**_login(), autocommit=True)
        connection.execute("SET synchronous_commit = off")
        return connection

    def migrate_barely(self) -> float:
        """The release by hand: one message and transaction for each tenant."""
        import psycopg

        statements = "; ".join(RELEASE_SQL)
        # As cold as that of a run.
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


def _make(slug: str) -> Any:
    """An active tenant without domains and people."""
    from shared_apps.fleet import services
    from shared_apps.tenants.choices import TenantState
    from shared_apps.tenants.models import Tenant

    identity = _identity(slug)
    Tenant(
        id=identity.id, slug=slug, name=slug, schema_name=identity.schema,
        role_name=identity.role, state=TenantState.ACTIVE,
    ).save()  # type: ignore[no-untyped-call]  # django-tenants'  # fmt: skip
    services.create_schema(identity)
    return identity


def _forget(identity: Any) -> None:
    from shared_apps.tenants.models import Tenant

    Tenant.objects.filter(id=identity.id).delete()


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
