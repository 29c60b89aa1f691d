"""A tenant's schema from one node of a Citus cluster to another (docs/scaling-citus.md)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings
from django.db import Error, connections, transaction
from psycopg import sql

from shared_apps.audit import recording
from shared_apps.core import context
from shared_apps.core.errors import explain
from shared_apps.fleet import services as fleet
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.fleet.sharding import cluster, rules
from shared_apps.onboarding.errors import (
    MoveFailedError,
    NodeUnknownError,
    NotMovableError,
    NotShardedError,
    TrailPendingError,
)
from shared_apps.onboarding.provisioning import locks
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.models import Tenant

Mode = Literal["block_writes", "auto", "force_logical"]
MODES: tuple[Mode, ...] = ("block_writes", "auto", "force_logical")
Report = Callable[[str], None]

_PAUSE = 0.2  # seconds between two looks at the outbox


@dataclass(frozen=True, slots=True)
class Move:
    slug: str
    source: str
    target: str
    rows_before: dict[str, int]
    rows_after: dict[str, int]
    """Of an active tenant they may differ: people went on working."""
    seconds: float

    @property
    def has_moved(self) -> bool:
        return self.source != self.target


def move_tenant(
    *, slug: str, to: str, mode: Mode = "block_writes", wait: float = 30.0, report: Report
) -> Move:
    """Move a tenant to the node `host` or `host:port`; one that is there already stays.

    The move and its entry in the audit trail are one transaction: whatever fails, or whoever is killed,
    the tenant is where it was. Nobody migrates, provisions or moves it meanwhile.

    Raises:
        NotShardedError: this installation is not on Citus.
        TenantNotFoundError, NodeUnknownError, NotMovableError: nothing was changed.
        TrailPendingError: its changes did not reach the audit database within `wait` seconds.
        MoveFailedError: Citus refused; the tenant is where it was.
    """
    if settings.DATABASE_SHARDING != "citus":
        raise NotShardedError
    with locks.only_worker(slug), context.operator():
        tenant = tenants_read.get_tenant(slug=slug)
        if tenant.state in UNFINISHED or tenant.state == TenantState.DELETED:
            raise NotMovableError(f"A tenant that is {tenant.state.lower()} cannot be moved.")
        with fleet.working_on(tenant.schema_name):
            return _move(tenant, to, mode, wait, report)


def _move(tenant: Tenant, to: str, mode: Mode, wait: float, report: Report) -> Move:
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        target = _find_node(cursor, to)
        source = _require_movable(cursor, tenant)
        before = _count_rows(cursor, tenant.schema_name)
        if source == str(target):
            report(f"{tenant.slug} is on {source} already")
            return Move(tenant.slug, source, source, before, before, 0.0)
        _await_trail(cursor, tenant.schema_name, wait)
        report(f"{len(before)} tables with {sum(before.values())} rows, from {source} to {target}")
        started = time.monotonic()
        _carry_out(cursor, tenant, source, target, mode)
        after = _count_rows(cursor, tenant.schema_name)
        _require_arrived(cursor, tenant, target, before, after)
        return Move(tenant.slug, source, str(target), before, after, time.monotonic() - started)


def _find_node(cursor: Any, to: str) -> cluster.Node:
    if cluster.find_version(cursor) is None:
        raise NotShardedError("The database has no extension citus.")
    nodes = cluster.list_nodes(cursor)
    found = [node for node in nodes if to in (str(node), node.host)]
    if len(found) != 1:
        known = ", ".join(str(node) for node in nodes if node.takes_schemas)
        problem = "There is no such node" if not found else "Several nodes are there; add the port"
        raise NodeUnknownError(f"{problem}: {to}. The nodes that take tenants: {known or 'none'}.")
    if not (found[0].is_active and found[0].takes_schemas):
        raise NodeUnknownError(f"The node {found[0]} is not active, or takes no tenants.")
    return found[0]


def _require_movable(cursor: Any, tenant: Tenant) -> str:
    """The node that the schema is on."""
    schema = tenant.schema_name
    homes = cluster.find_homes(cursor, [schema])
    if schema not in homes:
        raise NotMovableError(
            f"The schema {schema} is not distributed; docs/scaling-citus.md says how to bring it there."
        )
    if len(homes[schema]) != 1:
        raise NotMovableError(f"The schema {schema} is on {len(homes[schema])} nodes, not on one.")
    strays = cluster.list_strays(cursor, schema)
    if strays:
        raise NotMovableError(f"Citus does not look after {', '.join(strays)} in {schema}.")
    everywhere = cluster.list_reference_tables(cursor)
    broken = rules.find_violations(cursor, [schema], everywhere=everywhere)
    if broken:
        raise NotMovableError(
            f"{broken[0]}" + (f", and {len(broken) - 1} more" if len(broken) > 1 else "")
        )
    return homes[schema][0]


def _await_trail(cursor: Any, schema: str, wait: float) -> None:
    """On the new node the outbox counts on from other numbers; what waits now would be read after it."""
    query = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(schema, "audit_outbox"))
    deadline = time.monotonic() + wait
    while True:
        cursor.execute(query)
        if cursor.fetchone() is None:
            return
        if time.monotonic() >= deadline:
            raise TrailPendingError(
                "The tenant's changes are not in the audit database yet. "
                "See that `manage.py audit relay` runs, then move again; nothing was changed."
            )
        time.sleep(_PAUSE)


def _carry_out(cursor: Any, tenant: Tenant, source: str, target: cluster.Node, mode: Mode) -> None:
    try:
        with transaction.atomic(using=MIGRATION_ALIAS):
            recording.record_update(
                cursor,
                table="tenants_tenant",
                record_id=str(tenant.id),
                old={"id": str(tenant.id), "node": source},
                new={"id": str(tenant.id), "node": str(target)},
            )
            cursor.execute(
                "SELECT citus_schema_move(to_regnamespace(quote_ident(%s)), %s, %s, %s)",
                [tenant.schema_name, target.host, target.port, mode],
            )
    except Error as error:
        raise MoveFailedError(
            f"The move was refused, and {tenant.slug} is on {source} as before: {explain(error)}"
        ) from error


def _require_arrived(
    cursor: Any,
    tenant: Tenant,
    target: cluster.Node,
    before: dict[str, int],
    after: dict[str, int],
) -> None:
    homes = cluster.find_homes(cursor, [tenant.schema_name])[tenant.schema_name]
    if homes != [str(target)] or before.keys() != after.keys():
        raise MoveFailedError(f"{tenant.slug} should be on {target}, but is on {', '.join(homes)}.")
    if tenant.state != TenantState.ACTIVE and before != after:
        changed = sorted(table for table in before if before[table] != after[table])
        raise MoveFailedError(
            f"{tenant.slug} is on {target}, and nobody works in it, but the number of rows is another"
            f" than before: {', '.join(changed)}. Look there before it is served again."
        )


def _count_rows(cursor: Any, schema: str) -> dict[str, int]:
    """Every table but the outbox, which the relay empties."""
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%s))"
        " AND relkind = 'r' AND relname <> 'audit_outbox' ORDER BY relname",
        [schema],
    )
    counted: dict[str, int] = {}
    for (table,) in cursor.fetchall():
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))
        counted[table] = cursor.fetchone()[0]
    return counted
