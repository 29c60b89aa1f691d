"""The triggers of Auditable tables: which there should be, and making those that are missing."""

from dataclasses import dataclass
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.db import models
from psycopg import sql

from shared_apps.audit import node_capture
from shared_apps.audit.models import Auditable

# Event → the transition tables that the capture function reads, and whether it runs before the event.
_EVENTS = {
    "INSERT": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows",
    "UPDATE": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows",
    "TRUNCATE": "BEFORE TRUNCATE ON {table}",
}


@dataclass(frozen=True, slots=True)
class AuditedTable:
    """A table whose changes are recorded."""

    name: str
    key: str
    exclude: tuple[str, ...]
    entity: str
    """What the trail calls it: `invoicing.invoice`."""


def tables(*, shared: bool) -> list[AuditedTable]:
    """The audited tables of the shared schema, or of a tenant's."""
    installed = settings.SHARED_APPS if shared else settings.TENANT_APPS
    found: dict[str, AuditedTable] = {}
    for model in apps.get_models(include_auto_created=True):
        # The table of a many-to-many field belongs to the model that declares the field.
        owner = cast("type[models.Model]", model._meta.auto_created or model)
        if not issubclass(owner, Auditable) or model._meta.proxy or not model._meta.managed:
            continue
        if apps.get_app_config(model._meta.app_label).name in installed:
            found[model._meta.db_table] = _describe(model)
    return list(found.values())


def entity_names() -> dict[str, str]:
    """Table name → entity, for everything that is audited."""
    return {table.name: table.entity for shared in (True, False) for table in tables(shared=shared)}


def install(cursor: Any, *, schema: str, shared: bool) -> list[str]:
    """Make the missing or changed triggers of a schema as the owner of its tables; returns their tables."""
    is_on_node = not shared and settings.DATABASE_SHARDING == "citus"
    if is_on_node:
        node_capture.install(cursor, schema=schema)
    wanted = tables(shared=shared)
    existing = _existing(cursor, schema=schema, names=[table.name for table in wanted])
    changed: list[str] = []
    for table in wanted:
        arguments = _arguments(table, is_on_node=is_on_node)
        missing = [event for event in _EVENTS if existing.get((table.name, event)) != arguments]
        for event in missing:
            for statement in _create(schema, table, event, arguments):
                cursor.execute(statement)
        if missing:
            changed.append(table.name)
    return changed


def _describe(model: type[models.Model]) -> AuditedTable:
    policy = model.audit if issubclass(model, Auditable) else None
    fields = {field.name: field.column for field in model._meta.concrete_fields}
    columns = tuple(str(fields[name]) for name in policy.exclude) if policy else ()
    return AuditedTable(
        name=model._meta.db_table,
        key=cast(str, model._meta.pk.column),
        exclude=columns,
        entity=model._meta.label_lower,
    )


def _arguments(table: AuditedTable, *, is_on_node: bool) -> tuple[str, ...]:
    excluded = "{" + ",".join(f'"{column}"' for column in table.exclude) + "}"
    return (table.key, excluded, table.name) if is_on_node else (table.key, excluded)


def _existing(
    cursor: Any, *, schema: str, names: list[str]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Enabled audit triggers of a schema: (table, event) → arguments."""
    cursor.execute(
        """
        SELECT c.relname, t.tgname, encode(t.tgargs, 'escape')
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = %s::regnamespace AND c.relname = ANY(%s)
          AND t.tgname LIKE 'audit\\_%%' AND t.tgenabled = 'A'
        """,
        [sql.Identifier(schema).as_string(None), names],
    )
    return {
        (table, name.removeprefix("audit_").upper()): tuple(arguments.split("\\000")[:-1])
        for table, name, arguments in cursor.fetchall()
    }


def _create(
    schema: str, table: AuditedTable, event: str, arguments: tuple[str, ...]
) -> list[sql.Composed]:
    # ENABLE ALWAYS: also under session_replication_role = replica, which switches ordinary triggers off.
    texts = (
        "CREATE OR REPLACE TRIGGER {trigger} " + _EVENTS[event] + " FOR EACH STATEMENT"
        " EXECUTE FUNCTION {schema}.audit_capture({arguments})",
        "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}",
    )
    return [
        sql.SQL(text).format(
            trigger=sql.Identifier(f"audit_{event.lower()}"),
            table=sql.Identifier(schema, table.name),
            schema=sql.Identifier(schema),
            arguments=sql.SQL(", ").join(map(sql.Literal, arguments)),
        )
        for text in texts
    ]
