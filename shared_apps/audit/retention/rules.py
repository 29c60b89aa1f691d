"""What trails are kept for, and which are held: the owner's word in the audit database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction

from shared_apps.audit import recording
from shared_apps.audit.retention.pruning import ENTITY
from shared_apps.core import databases
from shared_apps.core.databases import Database


@dataclass(frozen=True, slots=True)
class Rule:
    tenant_id: UUID
    keep: str | None
    """An interval of PostgreSQL's; None: only what a command asks for goes."""
    hold: str | None
    """Why nothing may go."""


def list_rules(*, url: str) -> tuple[str, list[Rule]]:
    """The age below which nothing goes, and the tenants' rules."""
    with databases.connect(url, Database.AUDIT, autocommit=True) as connection:
        row = connection.execute("SELECT minimum_age::text FROM audit.retention_limit").fetchone()
        rules = connection.execute(
            "SELECT tenant_id, keep::text, hold FROM audit.retention"
            " WHERE keep IS NOT NULL OR hold IS NOT NULL ORDER BY tenant_id"
        ).fetchall()
    return str(row[0]) if row else "", [Rule(*rule) for rule in rules]


def set_minimum_age(*, url: str, interval: str) -> None:
    """Told in the installation's trail; if the telling fails nothing is changed."""
    with databases.connect(url, Database.AUDIT) as owner:
        row = owner.execute(
            "SELECT minimum_age::text FROM audit.retention_limit FOR UPDATE"
        ).fetchone()
        owner.execute("UPDATE audit.retention_limit SET minimum_age = %s::interval", [interval])
        _tell(
            record_id="all",
            old={"minimum_age": row[0] if row else None},
            new={"minimum_age": interval},
        )


def set_keep(*, url: str, tenant_id: UUID, interval: str | None) -> None:
    _set(url, tenant_id, "keep", interval)


def set_hold(*, url: str, tenant_id: UUID, reason: str | None) -> None:
    """None lets go again."""
    _set(url, tenant_id, "hold", reason)


def _set(url: str, tenant_id: UUID, column: str, value: str | None) -> None:
    """Told in the tenant's trail; if the telling fails nothing is changed."""
    with databases.connect(url, Database.AUDIT) as owner:
        row = owner.execute(
            "SELECT keep::text, hold FROM audit.retention WHERE tenant_id = %s FOR UPDATE",
            [tenant_id],
        ).fetchone()
        before = dict(zip(("keep", "hold"), row or (None, None), strict=True))
        statement = {
            "keep": "INSERT INTO audit.retention (tenant_id, keep) VALUES (%s, %s::interval)"
            " ON CONFLICT (tenant_id) DO UPDATE SET keep = excluded.keep",
            "hold": "INSERT INTO audit.retention (tenant_id, hold) VALUES (%s, %s)"
            " ON CONFLICT (tenant_id) DO UPDATE SET hold = excluded.hold",
        }[column]
        owner.execute(statement, [tenant_id, value])
        _tell(
            record_id=str(tenant_id),
            old={column: before[column]},
            new={"tenant_id": str(tenant_id), column: value},
        )


def _tell(*, record_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    alias = settings.TENANT_DB_ALIAS
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        recording.record_update(cursor, table=ENTITY, record_id=record_id, old=old, new=new)
