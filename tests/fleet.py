"""More tenants than two, and releases of the code whose migrations the tests write."""

import importlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

import tenant_apps.invoicing.migrations
from scripts.stack.paths import ROOT
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import selectors, services, templates
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.fleet.spares import moulds
from shared_apps.onboarding import schemas
from shared_apps.tenants import names, versions
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tests.installation import Installation

_SHIPPED = Path(tenant_apps.invoicing.migrations.__file__).parent
_HEAD = """from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

"""


@dataclass
class Fleet:
    """Tenants of one test; `release` deploys code with further migrations of the invoicing app."""

    directory: Path
    installed: dict[str, TenantIdentity]
    tenants: list[TenantIdentity] = field(default_factory=list)
    has_released: bool = False
    _override: Any = None

    def release(self, **migrations: str) -> None:
        """`_0004_note="operations = [...]"`: the body of a migration that follows the one before."""
        self.has_released = True
        package = f"release_{uuid4().hex[:8]}"
        folder = self.directory / package
        shutil.copytree(_SHIPPED, folder, ignore=shutil.ignore_patterns("__pycache__"))
        before = max(path.stem for path in folder.glob("0*.py"))
        for name, body in migrations.items():
            stem = name.removeprefix("_")
            lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
            (folder / f"{stem}.py").write_text(
                f"{_HEAD}{_functions(body)}class Migration(migrations.Migration):\n"
                f"    dependencies = [('invoicing', '{before}')]\n{lines}"
            )
            before = stem
        importlib.invalidate_caches()
        self.undo_release()
        self._override = override_settings(MIGRATION_MODULES={"invoicing": package})
        self._override.enable()
        versions.forget()

    def undo_release(self) -> None:
        if self._override is not None:
            self._override.disable()
            self._override = None
            versions.forget()

    def make(self, number: int) -> list[TenantIdentity]:
        """Active tenants with schemas from the template."""
        made = [
            identity_of(f"fleet-{n:03d}")
            for n in range(len(self.tenants), len(self.tenants) + number)
        ]
        with context.operator():
            for tenant in made:
                Tenant(
                    id=tenant.id, slug=tenant.slug, name=tenant.slug, schema_name=tenant.schema,
                    role_name=tenant.role, state=TenantState.ACTIVE,
                ).save()  # fmt: skip
                services.create_schema(tenant)
        self.tenants += made
        return made

    def execute(self, tenant: TenantIdentity, statement: str) -> list[tuple[Any, ...]]:
        """As the owner of the tables, in a tenant's schema."""
        with context.tenant(tenant), connections[MIGRATION_ALIAS].cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def has_column(self, tenant: TenantIdentity, column: str) -> bool:
        return bool(
            self.execute(
                tenant,
                "SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema()"
                f" AND column_name = '{column}'",
            )
        )

    @contextmanager
    def busy(self, tenant: TenantIdentity) -> Iterator[Callable[[], None]]:
        """Somebody's transaction reads a table of a tenant until the block or the given function ends it."""
        database = settings.DATABASES["migration"]
        with psycopg.connect(
            host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
            user=database["USER"], password=database["PASSWORD"],
        ) as session:  # fmt: skip
            session.execute(f"SELECT * FROM {tenant.schema}.invoicing_vendor")  # type: ignore[call-overload]  # a test's name
            yield session.rollback

    def migrate(self, *arguments: str) -> dict[str, Any]:
        """What `fleet migrate --json` says, whether it succeeds or not."""
        out = io.StringIO()
        try:
            call_command("fleet", "migrate", "--json", *arguments, stdout=out, stderr=io.StringIO())
        except CommandError as error:
            if not out.getvalue():
                raise
            return {**json.loads(out.getvalue()), "exit": str(error)}
        return {**json.loads(out.getvalue()), "exit": ""}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """`manage.py fleet …` of the release, in a process of its own."""
        program = self.directory / "run.py"
        program.write_text(
            f"import sys\nsys.path[:0] = {[str(ROOT), str(self.directory)]!r}\n"
            "from config.settings import test\n"
            f"test.MIGRATION_MODULES = {settings.MIGRATION_MODULES!r}\n"
            + (ROOT / "manage.py").read_text()
        )
        return subprocess.Popen(
            [sys.executable, str(program), "fleet", *arguments], cwd=ROOT, env=os.environ.copy(),
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip


def _functions(body: str) -> str:
    """A migration's body may use `run`, its data migration, written as a comment `# run: …` above."""
    lines = [
        line.removeprefix("# run: ") for line in body.splitlines() if line.startswith("# run: ")
    ]
    inner = "".join(f"    {line}\n" for line in lines)
    return f"def run(apps, schema_editor):\n{inner}\n\n" if lines else ""


def identity_of(slug: str) -> TenantIdentity:
    schema = names.schema_of(slug)
    role = names.role_of(schema, database=settings.DATABASES["default"]["NAME"])
    return TenantIdentity(id=uuid4(), slug=slug, schema=schema, role=role)


def drop(identity: TenantIdentity) -> None:
    schemas.drop_schema(identity)
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("DELETE FROM fleet_schemaversion WHERE schema_name = %s", [identity.schema])


@contextmanager
def of_a_test(system: Installation, directory: Path) -> Iterator[Fleet]:
    """acme, globex and whoever the test makes. Afterwards the two are as they were."""
    sys.path.insert(0, str(directory))
    made = Fleet(directory, system.tenants)
    with context.operator(), attribution.acting(attribution.command("test")):
        try:
            yield made
        finally:
            made.undo_release()
            for tenant in made.tenants:
                drop(tenant)
            Tenant.objects.filter(id__in=[tenant.id for tenant in made.tenants]).delete()
            Tenant.objects.update(state=TenantState.ACTIVE)
            if made.has_released:
                for tenant in system.tenants.values():
                    drop(tenant)
                    services.create_schema(tenant)
            with connections[MIGRATION_ALIAS].cursor() as cursor:
                versions.forget()
                cursor.execute("TRUNCATE fleet_run, fleet_outcome")
                # Another test's migration of the same name is another one.
                cursor.execute(
                    "DELETE FROM fleet_schematemplate WHERE fingerprint <> %s",
                    [selectors.get_target().fingerprint],
                )
                templates.forget()
                moulds.forget()
                # Django notes tenants' migrations in the shared schema too.
                cursor.execute(
                    "DELETE FROM django_migrations WHERE app = 'invoicing' AND NOT name = ANY(%s)",
                    [[path.stem for path in _SHIPPED.glob("0*.py")]],
                )
            sys.path.remove(str(directory))
