"""Files of rows that are loaded once: for the installation, and for each tenant.

Below FIXTURES_ROOT, in Django's form (JSON or YAML), by name:

    installation/*.json   rows of shared tables
    tenant/*.json         rows of each tenant's own tables, also of tenants that come later

Those that begin with `dev_` stay out of production. A file and its flag are one transaction: loaded once
and whole, however many containers start at a time. A file that is changed later is not loaded again.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core import serializers
from django.core.exceptions import ObjectDoesNotExist
from django.core.serializers.base import DeserializationError
from django.db import DatabaseError, connection, connections, models, transaction

from shared_apps.core import context
from shared_apps.core.errors import InvalidError, explain
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.onboarding.models import InstallationSetup, TenantSetup
from shared_apps.tenants import selectors as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant

_FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_FLAG = "fixture:"
_LONGEST_NAME = 40 - len(_FLAG)
# The first number of the lock is of us alone.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('freehold.fixture'), hashtext(%s))"

Report = Callable[[str], None]


class FixtureError(InvalidError):
    code = "onboarding.fixture"
    message = "A fixture cannot be loaded."


def load_everything(*, at: datetime, report: Report) -> None:
    """For the installation, and for every tenant that is not about to go.

    Raises:
        FixtureError: names the file and what is wrong; what was loaded before stays loaded.
    """
    _load_for_installation(at=at, report=report)
    if not _files("tenant"):
        return
    with context.operator():
        found = list(tenants.list_tenants().filter(state__in=_WITH_SCHEMA).order_by("slug"))
    for tenant in found:
        for name in load_for_tenant(tenant_id=tenant.id, at=at):
            report(f"fixture {name} loaded for {tenant.slug}")


_WITH_SCHEMA = (TenantState.ACTIVE, TenantState.SUSPENDED, TenantState.ARCHIVED)


def load_for_tenant(*, tenant_id: UUID, at: datetime) -> list[str]:
    """Returns the names of the files that were loaded.

    Raises:
        FixtureError: as for `load_everything`.
    """
    loaded = []
    for path in _files("tenant"):
        with context.operator(), transaction.atomic():
            # Two at once: the second waits here, and then finds the record.
            tenant = Tenant.objects.select_for_update().get(id=tenant_id)
            flag = f"{_FLAG}{path.stem}"
            if TenantSetup.objects.filter(tenant=tenant, flag=flag).exists():
                continue
            with context.tenant(tenant.identity):
                _load(path, of_tenants=True)
            TenantSetup(tenant=tenant, flag=flag, set_at=at).save(force_insert=True)
        loaded.append(path.name)
    return loaded


def _load_for_installation(*, at: datetime, report: Report) -> None:
    for path in _files("installation"):
        with context.operator(), transaction.atomic():
            flag = f"{_FLAG}{path.stem}"
            with connection.cursor() as cursor:
                cursor.execute(_LOCK, [flag])
            if InstallationSetup.objects.filter(flag=flag).exists():
                continue
            _load(path, of_tenants=False)
            InstallationSetup(flag=flag, set_at=at).save(force_insert=True)
        report(f"fixture {path.name} loaded")


def _files(kind: str) -> list[Path]:
    directory = Path(settings.FIXTURES_ROOT) / kind
    found = [path for path in sorted(directory.glob("*")) if path.suffix in _FORMATS]
    if settings.ENVIRONMENT_NAME == "production":
        found = [path for path in found if not path.name.startswith("dev_")]
    for path in found:
        if len(path.stem) > _LONGEST_NAME:
            raise FixtureError(
                f"{path.name} has a name of more than {_LONGEST_NAME} characters without its ending"
            )
    if len({path.stem for path in found}) < len(found):
        raise FixtureError(f"{directory} has two files of one name")
    return found


def _load(path: Path, *, of_tenants: bool) -> None:
    try:
        text = path.read_text(encoding="utf-8")
        rows = list(serializers.deserialize(_FORMATS[path.suffix], text, using="default"))
        for row in rows:
            _require_place(type(row.object), of_tenants=of_tenants)
        for row in rows:
            row.save()
        if not of_tenants:
            _set_sequences({type(row.object) for row in rows})
        # Deferred constraints speak here, and not when the flag is set already.
        connection.check_constraints()
    except (OSError, UnicodeDecodeError, DeserializationError, ObjectDoesNotExist) as error:
        raise FixtureError(f"{path.name} cannot be read: {error}") from error
    except DatabaseError as error:
        raise FixtureError(f"{path.name} cannot be loaded: {explain(error)}") from error
    except FixtureError as error:
        raise FixtureError(f"{path.name}: {error.text}") from None


def _require_place(model: type[models.Model], *, of_tenants: bool) -> None:
    """A row of a shared table in a tenant's file would be the same for all of them, or of another tenant."""
    app = apps.get_app_config(model._meta.app_label).name
    if (app in settings.TENANT_APPS and app not in settings.SHARED_APPS) != of_tenants:
        where = "shared" if of_tenants else "a tenant's"
        raise FixtureError(f"{model._meta.label} is in {where} tables")


def _set_sequences(loaded: set[type[Any]]) -> None:
    """So that the next row gets a number of its own. Tenants' tables have none: their keys are UUIDs.

    The application's login may not; what its transaction has written, the other cannot see.
    """
    for model in loaded:
        if not isinstance(model._meta.pk, models.AutoField):
            continue
        last = model._default_manager.using("default").aggregate(last=models.Max("pk"))["last"]
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
                [model._meta.db_table, model._meta.pk.column, last],
            )
