"""A schema from the template is one from the migrations, row of the catalogue by row of the catalogue."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connections

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import replay, services, templates
from shared_apps.fleet.catalogue import objects
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.onboarding import schemas
from shared_apps.tenants import names
from tests.installation import Installation


def _identity(slug: str) -> TenantIdentity:
    schema = names.schema_of(slug)
    role = names.role_of(schema, database=settings.DATABASES["default"]["NAME"])
    return TenantIdentity(id=uuid4(), slug=slug, schema=schema, role=role)


@pytest.fixture
def pair(system: Installation) -> Iterator[tuple[TenantIdentity, TenantIdentity]]:
    """Two schemas that are not there yet."""
    made = (_identity("from-template"), _identity("from-migrations"))
    with context.operator():
        yield made
        for identity in made:
            schemas.drop_schema(identity)
            with connections[MIGRATION_ALIAS].cursor() as cursor:
                cursor.execute(
                    "DELETE FROM fleet_schemaversion WHERE schema_name = %s", [identity.schema]
                )


def _migrate_from_nothing(identity: TenantIdentity) -> None:
    services._ensure_role_and_schema(identity)
    services.migrate_tenant(identity)


def test_it_is_what_migrations_make(pair: tuple[TenantIdentity, TenantIdentity]) -> None:
    made, migrated = pair
    assert templates.ensure_template().refusal == ""
    services.create_schema(made)
    _migrate_from_nothing(migrated)
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        expected = objects.load(cursor, migrated.schema, migrated.role)
        assert objects.load(cursor, made.schema, made.role) == expected
        assert len(expected) > 100
        assert replay.applied_in(cursor, made.schema) == replay.applied_in(cursor, migrated.schema)
