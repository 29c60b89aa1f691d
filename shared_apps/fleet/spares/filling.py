"""The pool brought to its target, one schema at a time, so that whoever waits behind does not wait long.

Each spare is made, claimed for show, compared with what the template makes and closed in one transaction:
what is in the pool has been proven, and a process that is killed leaves nothing.
"""

import logging
import secrets
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, connections, transaction
from django.utils import timezone
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import explain
from shared_apps.fleet import compiling, dropping, locks, replay, roles, templates
from shared_apps.fleet.catalogue import objects, script
from shared_apps.fleet.errors import SharedSchemaVersionError, SpareError
from shared_apps.fleet.history import History, all_labels
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.models import SpareSchema
from shared_apps.fleet.sealing import SHARED_SCHEMA
from shared_apps.fleet.spares import claiming, moulds, pool, stamps
from shared_apps.tenants import names

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step did: a schema made or dropped, or nothing, and how much is left."""

    made: str = ""
    dropped: str = ""
    left: int = 0
    ready: frozenset[str] = frozenset()
    """Those that the next step need not hold against the catalogue again."""


def step(
    target: int, *, drops_surplus: bool = False, trusting: frozenset[str] = frozenset()
) -> Progress:
    """Drop one spare that is of no use, or make one that is missing. Two at once: one waits.

    Raises:
        SpareError: a spare cannot be made of this template.
        SharedSchemaVersionError: another release's turn; nothing was changed.
        DatabaseNotReadyError: the shared schema is not at this code's version.
    """
    with context.operator(), locks.spares():
        _require_own_version()
        found = pool.look(trusting=trusting)
        ready = frozenset(spare.schema for spare in found.ready)
        useless = [spare.schema for spare in found.useless]
        if drops_surplus and len(found.ready) > target:
            useless += [spare.schema for spare in found.ready[target:]]
        missing = max(0, target - len(found.ready))
        for name in useless:
            if _drop(name):
                return Progress(dropped=name, left=len(useless) - 1 + missing, ready=ready)
        if missing:
            return Progress(made=(made := _make()), left=missing - 1, ready=ready | {made})
        return Progress()


def _require_own_version() -> None:
    """While a release is rolled out, the other one's spares are as good as ours."""
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        applied = replay.applied_in(cursor, SHARED_SCHEMA)
    history = History(applied, labels=all_labels())
    if history.missing or history.unknown:
        raise SharedSchemaVersionError


def _make() -> str:
    template = templates.ensure_template()
    if not template.script:
        raise SpareError(template.refusal)
    mould = moulds.mould_of(template)
    schema = names.spare_schema(secrets.randbits(48))
    role = claiming.role_of(schema)
    with (
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        compiling.hold_scratch_name(cursor)
        filled = script.fill(template.script, schema=schema, role=role)
        beginning = sql.SQL(
            "CREATE ROLE {role} NOLOGIN; CREATE SCHEMA {schema};"
            " SET LOCAL search_path = {schema}, public; "
        ).format(role=sql.Identifier(role), schema=sql.Identifier(schema))
        cursor.execute(f"{beginning.as_string(None)}{filled};\nSET LOCAL search_path = public")
        for grantee, _ in moulds.reaches(cursor, schema):
            name = sql.Identifier(schema).as_string(None)
            cursor.execute(f"REVOKE ALL ON SCHEMA {name} FROM {grantee}")
        _prove(claiming.Spare(schema, mould.adoption, ""), mould)
        SpareSchema.objects.using(MIGRATION_ALIAS).create(
            schema_name=schema,
            fingerprint=template.fingerprint,
            adoption=mould.adoption,
            stamp=stamps.take(cursor, schema=schema, role=role),
            created_at=timezone.now(),
        )
    return schema


def _prove(spare: claiming.Spare, mould: moulds.Mould) -> None:
    """Claim it under the scratch schema's name, compare, and take that back.

    Raises:
        SpareError: it is not what the template makes.
    """
    role = names.role_of(script.SCHEMA, database=roles.database_name())
    identity = TenantIdentity(id=UUID(int=0), slug="", schema=script.SCHEMA, role=role)
    with transaction.atomic(using=MIGRATION_ALIAS):
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            claiming.adopt(cursor, spare, identity)
        with context.tenant(identity), connections[MIGRATION_ALIAS].cursor() as cursor:
            different = objects.load(cursor, script.SCHEMA, role) ^ mould.items
            statements = moulds.statements_of(cursor, role)
        transaction.set_rollback(True, using=MIGRATION_ALIAS)
    if different:
        kind, name, _ = sorted(different)[0]
        raise SpareError(f"the {kind} {name} does not bear the renaming of its schema")
    if statements != mould.statements:
        found = min(statements ^ mould.statements)[:80]
        raise SpareError(f"what migrations make does not bear the renaming of its schema: {found}")


def _drop(schema: str) -> bool:
    """False: somebody is claiming it, or PostgreSQL refuses, and the others are not to wait for it."""
    with (
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        cursor.execute(
            "SELECT problem FROM public.fleet_spareschema WHERE schema_name = %s"
            " FOR UPDATE SKIP LOCKED",
            [schema],
        )
        row = cursor.fetchone()
        if row is None:
            return False
        if not row[0]:
            claiming.set_aside(schema, pool.BEING_DROPPED)
    try:
        dropping.drop_tables(schema)
        with (
            transaction.atomic(using=MIGRATION_ALIAS),
            connections[MIGRATION_ALIAS].cursor() as cursor,
        ):
            dropping.drop_schema_and_role(cursor, schema=schema, role=claiming.role_of(schema))
            # The row last: while it is there, something may be left.
            cursor.execute("DELETE FROM public.fleet_spareschema WHERE schema_name = %s", [schema])
    except DatabaseError as error:
        logger.exception("A spare schema could not be dropped")
        reason = explain(error)
        claiming.set_aside(schema, f"{pool.NOT_DROPPED}: {reason}")
        return False
    return True
