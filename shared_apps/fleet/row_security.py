"""Row-level security of the shared schema: which policies there should be, and making them.

Every table there has it switched on, so that one that nobody thought of shows nothing to anybody but
its owner and the operator's context; the few that hold no row of any tenant are named below. A policy's
condition on the tenant is evaluated once a statement and used as an index condition
(fleet/functions.py).
"""

import re
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from psycopg import sql

from shared_apps.core.row_rights import RowRights
from shared_apps.fleet import roles
from shared_apps.fleet.catalogue.relations import Relations

# Django's own lists of models and permissions; the same for every tenant.
WITHOUT_ROWS_OF_TENANTS = frozenset(
    [
        "django_migrations",
        "django_content_type",
        "auth_permission",
        "auth_group",
        "auth_group_permissions",
    ]
)
# The relay empties the one, and learns from the other which schemas there are (fleet/grants.py).
_FOR_THE_RELAY = ("audit_outbox", "tenants_tenant")
_EVERYTHING = "true"
# Before what is declared is granted.
_GROUP = (
    "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {group}",
    "GRANT USAGE ON SCHEMA {schema} TO {group}",
)


@dataclass(frozen=True, slots=True)
class Policy:
    """`condition` holds for rows that are seen and for rows that are written."""

    table: str
    name: str
    role: str
    command: str
    condition: str


@dataclass(frozen=True, slots=True)
class Grant:
    table: str
    role: str
    right: str
    columns: tuple[str, ...] = ()
    """Empty: the whole table."""


def declared() -> dict[str, RowRights]:
    """Table → what its model says of it. Tables that say nothing are the operator's alone."""
    found: dict[str, RowRights] = {}
    for model in apps.get_models():
        rights = getattr(model, "row_rights", None)
        is_shared = apps.get_app_config(model._meta.app_label).name in settings.SHARED_APPS
        if is_shared and isinstance(rights, RowRights):
            found[model._meta.db_table] = rights
    return found


def policies(tables: list[str], declared: dict[str, RowRights]) -> list[Policy]:
    """Every policy that the tables should have."""
    wanted: list[Policy] = []
    for table in tables:
        rights = declared.get(table, RowRights())
        # One tenant: equality, so that an index on the tenant and another column also gives the order.
        own = f"({rights.column} = ( SELECT own_tenant(CURRENT_USER)))"
        granted = f"({rights.column} = ANY (ARRAY( SELECT granted_tenants(CURRENT_USER))))"
        wanted.append(Policy(table, "operator", roles.application_login(), "ALL", _EVERYTHING))
        if rights.relay or table in _FOR_THE_RELAY:
            wanted.append(Policy(table, "relay", roles.relay_login(), "ALL", _EVERYTHING))
        if rights.tenants:
            wanted.append(Policy(table, "own_rows", roles.tenants_group(), "ALL", own))
        if rights.readers:
            wanted.append(Policy(table, "granted_rows", roles.readers_group(), "SELECT", granted))
    return wanted


def grants(declared: dict[str, RowRights]) -> list[Grant]:
    """What the two groups and the relay may do with the tables that declare it."""
    found: list[Grant] = []
    for table, rights in sorted(declared.items()):
        found += [Grant(table, roles.tenants_group(), right) for right in rights.tenants]
        if rights.readers:
            columns = () if rights.readers == ("*",) else rights.readers
            found.append(Grant(table, roles.readers_group(), "SELECT", columns))
        found += [Grant(table, roles.relay_login(), right) for right in rights.relay]
        if rights.relay_updates:
            found.append(Grant(table, roles.relay_login(), "UPDATE", rights.relay_updates))
    return found


def seal(cursor: Any, described: dict[str, RowRights]) -> list[str]:
    """Make rights and policies of the shared schema as declared; returns the tables changed.

    A policy that is right is left alone: making one locks its table against everybody.
    """
    relations = Relations.of(cursor, "public")
    for group in (roles.tenants_group(), roles.readers_group()):
        names = {"schema": sql.Identifier("public"), "group": sql.Identifier(group)}
        for statement in _GROUP:
            cursor.execute(sql.SQL(relations.by_name(statement)).format(**names))
    for grant in grants(described):
        cursor.execute(_grant_statement(grant))
    return _seal_policies(cursor, described)


def _seal_policies(cursor: Any, described: dict[str, RowRights]) -> list[str]:
    secured = tables(cursor)
    existing = existing_policies(cursor)
    wanted = policies(list(secured), described)
    changed: list[str] = []
    for table, is_secured in secured.items():
        own = {policy for policy in wanted if policy.table == table}
        found = {policy for policy in existing if policy.table == table}
        if is_secured and own == found:
            continue
        changed.append(table)
        name = sql.Identifier("public", table)
        for policy in found - own:
            cursor.execute(
                sql.SQL("DROP POLICY {} ON {}").format(sql.Identifier(policy.name), name)
            )
        for policy in own - found:
            cursor.execute(_policy_statement(policy))
        cursor.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(name))
    return changed


def tables(cursor: Any) -> dict[str, bool]:
    """The tables of the shared schema that hold rows of tenants → whether their rows are secured."""
    cursor.execute(
        "SELECT relname, relrowsecurity FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND relname = ANY(%s) ORDER BY relname",
        [list(Relations.of(cursor, "public").tables)],
    )
    return {
        table: secured
        for table, secured in cursor.fetchall()
        if table not in WITHOUT_ROWS_OF_TENANTS
    }


def existing_policies(cursor: Any) -> set[Policy]:
    """The policies of the shared schema as the database knows them.

    One that is not of our form (several roles, restrictive, a check that differs) has a condition that
    equals none of ours.
    """
    cursor.execute(
        """
        SELECT c.relname, p.polname, array(SELECT rolname::text FROM pg_roles WHERE oid = ANY (p.polroles)),
               p.polcmd, p.polpermissive, cardinality(p.polroles),
               pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = 'public'::regnamespace
        """
    )
    commands = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
    found: set[Policy] = set()
    for table, name, members, command, permissive, count, using, check in cursor.fetchall():
        usual = permissive and count == 1 and (check == using or check is None)
        condition = _normalised(using) if usual else f"unusual: {using} / {check}"
        role = members[0] if members else "PUBLIC"
        found.add(Policy(table, name, role, commands[command], condition))
    return found


def _normalised(expression: str | None) -> str:
    """PostgreSQL names the column of a subquery when it prints one, and a schema off its path."""
    return re.sub(r" AS (?:own_tenant|granted_tenants)\b|\bpublic\.", "", expression or "")


def _policy_statement(policy: Policy) -> sql.Composed:
    return sql.SQL(
        "CREATE POLICY {name} ON {table} FOR {command} TO {role} USING ({condition})"
    ).format(
        name=sql.Identifier(policy.name),
        table=sql.Identifier("public", policy.table),
        command=sql.SQL(policy.command),
        role=sql.Identifier(policy.role),
        condition=sql.SQL(policy.condition),
    )


def _grant_statement(grant: Grant) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, grant.columns))
    return sql.SQL("GRANT {right}{columns} ON {table} TO {role}").format(
        right=sql.SQL(grant.right),
        columns=sql.SQL(" ({})").format(columns) if grant.columns else sql.SQL(""),
        table=sql.Identifier("public", grant.table),
        role=sql.Identifier(grant.role),
    )
