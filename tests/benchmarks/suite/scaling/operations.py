"""The operations that are measured, in a process of the product's own."""

import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import django
import psycopg

from scripts.stack.binaries import ensure_binaries
from tests.benchmarks.suite.scaling import looking
from tests.benchmarks.suite.scaling.touching import tenants_of_the_bench


class Operations:
    """A target of `workers.worker`. Imports of the product wait for its set-up."""

    def __init__(self) -> None:
        django.setup()
        from shared_apps.core import attribution, context

        self._entered = [attribution.acting(attribution.command("bench")), context.operator()]
        for block in self._entered:
            block.__enter__()
        self._made: list[str] = []

    # -- setting up ---------------------------------------------------------------------------------

    def install(self, *, tenants: int) -> float:
        """Seconds of `tenant apply` for all of them."""
        from django.core.management import call_command

        call_command("install", verbosity=0)
        names = [f"bench-{number:05}" for number in range(tenants)]
        lines = [
            f"  - {{slug: {name}, name: {name}, domains: [{name}.localhost],"
            f" admins: [admin@{name}.example], auth: {{backend: database}}}}"
            for name in names
        ]
        with tempfile.TemporaryDirectory(prefix="freehold-scaling-") as directory:
            path = Path(directory) / "tenants.yaml"
            path.write_text("\n".join(["apiVersion: freehold/v1", "tenants:", *lines, ""]))
            started = time.perf_counter()
            with Path(os.devnull).open("w") as nowhere:
                call_command(
                    *("tenant", "apply", "-f", str(path), "--yes"), stdout=nowhere, stderr=nowhere
                )
            taken = time.perf_counter() - started
        self._relay()
        self._reader = self._person()
        self._turns = itertools.cycle(tenants_of_the_bench())
        return taken

    def _person(self) -> Any:
        """Somebody who reads all tenants."""
        from shared_apps.accounts import cross_tenant_roles, selectors, services
        from shared_apps.accounts.choices import CrossTenantRole

        at = datetime.now(UTC)
        person = services.create_managed_person(
            email="auditor@bench.example", name="Auditor", password=f"bench {uuid4()}", at=at
        )
        for tenant in tenants_of_the_bench():
            cross_tenant_roles.grant_role(
                tenant_id=tenant.id,
                user_id=person.id,
                role=CrossTenantRole.AUDITOR,
                by=None,
                at=at,
            )
        return selectors.find_cross_tenant_scope(user_id=person.id)

    def _relay(self) -> None:
        from django.conf import settings

        from shared_apps.audit.relay import Relay

        Relay(
            source_url=settings.RELAY_DATABASE_URL,
            target_url=settings.AUDIT_DATABASE_URL,
            redis_url=settings.REDIS_URL,
        ).run_once()

    # -- operations ---------------------------------------------------------------------------------

    def seconds_of(self, *, name: str) -> float:
        """Of the part between two marks; an operation gives one by `yield`."""
        steps = getattr(self, f"_{name}")()
        next(steps)
        started = time.perf_counter()
        next(steps)
        taken = time.perf_counter() - started
        for _ in steps:
            pass
        return taken

    def locks_of(self, *, name: str) -> Mapping[str, float]:
        steps = getattr(self, f"_{name}")()
        next(steps)
        with looking.watching_locks(os.environ["ADMIN_DATABASE_URL"]) as peak:
            next(steps)
        for _ in steps:
            pass
        return {"locks": peak.value}

    def _connect(self) -> Any:
        from django.db import connection

        from shared_apps.core import context

        connection.close()
        with context.tenant(next(self._turns)):
            yield
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            yield

    def _first_touch(self) -> Any:
        from django.db import connection

        from shared_apps.core import context

        connection.close()
        connection.ensure_connection()
        with context.tenant(next(self._turns)):
            yield
            self._page()
            yield

    def _warm_touch(self) -> Any:
        from shared_apps.core import context

        with context.tenant(next(self._turns)):
            self._page()
            yield
            self._page()
            yield

    def _page(self) -> None:
        from tenant_apps.invoicing import selectors

        list(selectors.list_invoices()[:50])

    def _create(self) -> Any:
        yield
        self._made.append(self._make())
        yield
        self._remove(self._made.pop())

    def _make(self) -> str:
        from shared_apps.onboarding import services

        slug = f"made-{uuid4().hex[:8]}"
        request = services.TenantRequest(
            slug=slug, name=slug, domains=(f"{slug}.localhost",), admin_email=f"a@{slug}.example"
        )
        services.create_tenant(request=request, at=datetime.now(UTC))
        return slug

    def _remove(self, slug: str) -> None:
        for _ in self._deleting(slug):
            pass

    def _delete(self) -> Any:
        yield from self._deleting(self._make())

    def _deleting(self, slug: str) -> Any:
        from shared_apps.onboarding import deleting

        at = datetime.now(UTC)
        deleting.schedule_deletion(
            deletion=deleting.Deletion(
                slug=slug, reason="bench", grace=timedelta(), without_backup=True
            ),
            at=at,
        )
        self._relay()
        yield
        deleting.purge_tenant(slug=slug, at=at)
        yield

    def _export(self) -> Any:
        from shared_apps.onboarding.archive.exporting import export_tenant

        with tempfile.TemporaryDirectory(prefix="freehold-scaling-") as directory:
            yield
            export_tenant(
                slug=next(self._turns).slug,
                path=Path(directory) / "archive.tar.gz",
                at=datetime.now(UTC),
            )
            yield

    def _clone(self) -> Any:
        from shared_apps.onboarding import renaming

        slug = f"clone-{uuid4().hex[:8]}"
        yield
        renaming.clone_tenant(slug=next(self._turns).slug, to=slug, at=datetime.now(UTC))
        yield
        self._remove(slug)

    def _migrate_nothing(self) -> Any:
        from django.core.management import call_command

        yield
        call_command("fleet", "migrate", verbosity=0)
        yield

    def _drift(self) -> Any:
        from shared_apps.fleet import drift

        yield
        drift.find_differences()
        yield

    def _wall(self) -> Any:
        from shared_apps.fleet import services

        yield
        found = services.find_breaches()
        yield
        assert not found, found

    def _sweep(self) -> Any:
        from django.conf import settings

        from shared_apps.audit.relay import outboxes

        self._relay()
        with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as source:
            outboxes.look(source, outboxes.list_outboxes(source))
            yield
            outboxes.look(source, outboxes.list_outboxes(source))
            yield

    def _portfolio(self) -> Any:
        from shared_apps.core import context
        from shared_apps.portfolio import selectors

        with context.cross_tenant(self._reader):
            yield
            selectors.list_slugs()
            selectors.list_invoices().count()
            list(selectors.list_invoices()[:50])
            yield

    def _dump_one(self) -> Any:
        yield
        self._dump(f"--schema={next(self._turns).schema}")
        yield

    def _dump_all(self) -> Any:
        yield
        self._dump()
        yield

    def _dump(self, *options: str) -> None:
        program = ensure_binaries().postgres("pg_dump")
        subprocess.run(
            [program, f"--dbname={_admin_url()}", f"--file={os.devnull}", *options], check=True
        )

    def _vacuum(self) -> Any:
        with psycopg.connect(_admin_url(), autocommit=True) as admin:
            yield
            admin.execute("VACUUM (ANALYZE)")
            yield

    # -- the server ---------------------------------------------------------------------------------

    def analyze_catalogue(self) -> float:
        with psycopg.connect(_admin_url(), autocommit=True) as admin:
            started = time.perf_counter()
            admin.execute("ANALYZE pg_class, pg_attribute, pg_index, pg_depend, pg_constraint")
            return time.perf_counter() - started

    def facts(self) -> Mapping[str, float]:
        with psycopg.connect(_admin_url(), autocommit=True) as admin:
            return looking.facts(admin)


def _admin_url() -> str:
    """The superuser in the product's database."""
    from django.conf import settings

    server = os.environ["ADMIN_DATABASE_URL"].rpartition("/")[0]
    return f"{server}/{settings.DATABASES['default']['NAME']}"
