"""The triggers of Auditable tables: which there should be, and making those that are missing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.db import models
from psycopg import sql

from shared_apps.audit import capture, catalogue
from shared_apps.audit.models import Auditable, AuditPolicy

# Event → the transition tables that the capture function reads, and whether it runs before the event.
_EVENTS = {
    "INSERT": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows",
    "UPDATE": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows",
    "TRUNCATE": "BEFORE TRUNCATE ON {table}",
}


@dataclass(frozen=True, slots=True)
class AuditedTable:
    """A table whose changes are recorded. What it names are columns."""

    name: str
    keys: tuple[str, ...]
    exclude: tuple[str, ...]
    redact: tuple[str, ...]
    entity: str
    """What the trail calls it: `invoicing.invoice`."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """What its triggers tell the capture function."""
        excluded = "{" + ",".join(f'"{column}"' for column in self.exclude) + "}"
        hidden = json.dumps(dict.fromkeys(self.redact, capture.REDACTED))
        return (self.keys[0], excluded, self.name, hidden, *self.keys[1:])


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
            found[model._meta.db_table] = describe(model)
    return list(found.values())


def entity_names() -> dict[str, str]:
    """Table name → entity, for everything that is audited."""
    return {table.name: table.entity for shared in (True, False) for table in tables(shared=shared)}


def is_on_node(*, shared: bool) -> bool:
    """Whether a schema's tables are on a node of a Citus cluster."""
    return not shared and settings.DATABASE_SHARDING == "citus"


def install(cursor: Any, *, schema: str, shared: bool) -> list[str]:
    """Make the capture function and the missing or changed triggers of a schema as the owner of its tables.

    Returns the tables that were changed.
    """
    return ensure(
        cursor, schema=schema, wanted=tables(shared=shared), on_node=is_on_node(shared=shared)
    )


def ensure(
    cursor: Any, *, schema: str, wanted: Sequence[AuditedTable], on_node: bool = False
) -> list[str]:
    """The same for given tables.

    Partitions and tables that inherit have triggers of their own: a parent's fire only for statements
    that name the parent.
    """
    arguments = {table.name: table.arguments for table in wanted}
    capture.install(cursor, schema=schema, is_on_node=on_node)
    changed: list[str] = []
    for fault in catalogue.find_wrong_triggers(cursor, schemas=[schema], arguments=arguments):
        for statement in _create(fault, arguments[fault.root]):
            cursor.execute(statement)
        changed.append(fault.table)
    return list(dict.fromkeys(changed))


def describe(model: type[models.Model]) -> AuditedTable:
    policy = model.audit if issubclass(model, Auditable) else AuditPolicy()
    # Of a model that inherits another's table: a field of the parent's is in that table.
    own = {field.name: str(field.column) for field in model._meta.local_concrete_fields}
    return AuditedTable(
        name=model._meta.db_table,
        keys=tuple(str(field.column) for field in model._meta.pk_fields),
        exclude=tuple(own[name] for name in policy.exclude if name in own),
        redact=tuple(own[name] for name in policy.redact if name in own),
        entity=model._meta.label_lower,
    )


def _create(fault: catalogue.WrongTrigger, arguments: tuple[str, ...]) -> list[sql.Composed]:
    # ENABLE ALWAYS: also under session_replication_role = replica, which switches ordinary triggers off.
    texts = (
        "CREATE OR REPLACE TRIGGER {trigger} " + _EVENTS[fault.event] + " FOR EACH STATEMENT"
        " EXECUTE FUNCTION {schema}.audit_capture({arguments})",
        "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}",
    )
    return [
        sql.SQL(text).format(
            trigger=sql.Identifier(f"audit_{fault.event.lower()}"),
            table=sql.Identifier(fault.table_schema, fault.table),
            schema=sql.Identifier(fault.schema),
            arguments=sql.SQL(", ").join(map(sql.Literal, arguments)),
        )
        for text in texts
    ]
