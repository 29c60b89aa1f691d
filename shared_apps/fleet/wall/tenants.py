"""Tenants' roles and schemas: all there, and nobody but a schema's own role reaches into it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared_apps.core.doctor import Finding
from shared_apps.fleet import roles
from shared_apps.fleet.wall import membership

_OWN_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "USAGE")
_KEPT_FROM_TENANTS = ("audit_outbox", "django_migrations")


@dataclass(frozen=True, slots=True)
class _Tenant:
    slug: str
    role: str
    schema: str
    is_ready: bool
    """False: provisioning has not finished, so parts may be missing."""
    has_schema: bool
    has_usage: bool


def examine(cursor: Any) -> Iterator[Finding]:
    tenants = _load(cursor)
    yield from _left_over(cursor, tenants)
    yield from _roles(cursor, tenants)
    yield from _unusable_tables(cursor)
    yield from _reachable(cursor)
    yield from _rights_elsewhere(cursor)


def _load(cursor: Any) -> list[_Tenant]:
    cursor.execute(
        """
        SELECT t.slug, t.role_name, t.schema_name, t.state NOT IN ('PROVISIONING', 'FAILED'),
               n.oid IS NOT NULL, EXISTS (
                   SELECT FROM aclexplode(n.nspacl) a
                   WHERE a.grantee = r.oid AND a.privilege_type = 'USAGE')
        FROM public.tenants_tenant t
        LEFT JOIN pg_namespace n ON n.nspname = t.schema_name
        LEFT JOIN pg_roles r ON r.rolname = t.role_name
        WHERE t.state NOT IN ('PENDING', 'DELETED')
        """
    )
    return [_Tenant(*row) for row in cursor.fetchall()]


def _left_over(cursor: Any, tenants: list[_Tenant]) -> Iterator[Finding]:
    schemas = {tenant.schema for tenant in tenants}
    roles_of_tenants = {tenant.role for tenant in tenants}
    cursor.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 't_')")
    for (schema,) in cursor.fetchall():
        if schema not in schemas:
            yield Finding(
                f"schema {schema}", "belongs to no tenant", f"DROP SCHEMA {schema} CASCADE"
            )
    prefix = f"{roles.database_name()}_t_"
    cursor.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [prefix])
    for (role,) in cursor.fetchall():
        if role not in roles_of_tenants:
            yield Finding(f"role {role}", "belongs to no tenant", f"DROP ROLE {role}")


def _roles(cursor: Any, tenants: list[_Tenant]) -> Iterator[Finding]:
    cursor.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'")
    owner = cursor.fetchone()[0].strip('"')
    known = membership.load_roles(cursor, [tenant.role for tenant in tenants])
    of_role: dict[str, list[membership.Membership]] = defaultdict(list)
    for found in membership.load_memberships(cursor, list(known)):
        of_role[found.role].append(found)
        of_role[found.member].append(found)
    for tenant in tenants:
        repair = f"manage.py tenant repair {tenant.slug}"
        role = known.get(tenant.role)
        if role is not None:
            yield from membership.examine_becoming(
                role,
                of_role[role.name],
                group=roles.tenants_group(),
                login=roles.application_login(),
                owner=owner,
                remedy=repair,
                may_log_in=roles.may_log_in(),
            )
        if tenant.is_ready and role is None:
            yield Finding(f"tenant {tenant.slug}", f"its role {tenant.role} is missing", repair)
        if tenant.is_ready and not tenant.has_schema:
            yield Finding(
                f"tenant {tenant.slug}",
                f"its schema {tenant.schema} is missing",
                "restore it from a backup",
            )
        elif tenant.is_ready and role is not None and not tenant.has_usage:
            yield Finding(f"tenant {tenant.slug}", "its role may not use its schema", repair)


def _unusable_tables(cursor: Any) -> Iterator[Finding]:
    """Tables that a tenant's own role cannot read: made by hand, or its rights were taken away."""
    cursor.execute(
        """
        SELECT t.slug, min(c.relname), count(*)
        FROM public.tenants_tenant t
        JOIN pg_namespace n ON n.nspname = t.schema_name
        JOIN pg_roles r ON r.rolname = t.role_name
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
        WHERE t.state NOT IN ('PENDING', 'PROVISIONING', 'FAILED', 'DELETED') AND c.relname <> ALL(%s)
          AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) a
                          WHERE a.grantee = r.oid AND a.privilege_type = 'SELECT')
        GROUP BY t.slug
        """,
        [list(_KEPT_FROM_TENANTS)],
    )
    for slug, example, count in cursor.fetchall():
        more = f" and {count - 1} more" if count > 1 else ""
        yield Finding(
            f"tenant {slug}",
            f"cannot read its table {example}{more}",
            f"manage.py tenant repair {slug}",
        )


# Every right that somebody has in a tenant's schema, exploded from the access lists once.
_RIGHTS_INSIDE = """
    WITH own AS (
        SELECT t.slug, n.oid AS schema, n.nspname, coalesce(r.oid, 1) AS role
        FROM public.tenants_tenant t
        JOIN pg_namespace n ON n.nspname = t.schema_name
        LEFT JOIN pg_roles r ON r.rolname = t.role_name
    ), owner AS (
        SELECT nspowner AS oid FROM pg_namespace WHERE nspname = 'public'
    ), rights AS (
        SELECT own.*, 'SCHEMA' AS kind, '' AS object, a.grantee, a.privilege_type AS item, n.nspowner AS owner
        FROM own JOIN pg_namespace n ON n.oid = own.schema CROSS JOIN aclexplode(n.nspacl) a
        UNION ALL
        SELECT own.*, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname, a.grantee,
               a.privilege_type, c.relowner
        FROM own JOIN pg_class c ON c.relnamespace = own.schema AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
        UNION ALL
        SELECT own.*, 'TABLE', c.relname, a.grantee, a.privilege_type || ' (' || b.attname || ')', c.relowner
        FROM own JOIN pg_class c ON c.relnamespace = own.schema
        JOIN pg_attribute b ON b.attrelid = c.oid AND b.attacl IS NOT NULL
        CROSS JOIN aclexplode(b.attacl) a
        UNION ALL
        SELECT own.*, 'FUNCTION', p.proname, a.grantee, a.privilege_type, p.proowner
        FROM own JOIN pg_proc p ON p.pronamespace = own.schema
        CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    )
    SELECT kind, nspname, object, item, coalesce(g.rolname, 'PUBLIC'), grantee = rights.role,
           min(slug)
    FROM rights CROSS JOIN owner LEFT JOIN pg_roles g ON g.oid = rights.grantee
    WHERE rights.owner <> owner.oid
       OR rights.grantee NOT IN (owner.oid, rights.role)
          AND NOT (coalesce(g.rolname, '') = %(relay)s AND (kind = 'SCHEMA' AND item = 'USAGE' OR object = 'audit_outbox'))
       OR rights.grantee = rights.role AND (item <> ALL(%(own)s) OR object = ANY(%(kept)s))
    GROUP BY 1, 2, 3, 4, 5, 6
"""


def _reachable(cursor: Any) -> Iterator[Finding]:
    cursor.execute(
        _RIGHTS_INSIDE,
        {
            "relay": roles.relay_login(),
            "own": list(_OWN_RIGHTS),
            "kept": list(_KEPT_FROM_TENANTS),
        },
    )
    for kind, schema, object_name, right, grantee, is_own, slug in cursor.fetchall():
        name = f"{schema}.{object_name}" if object_name else schema
        problem = (
            f"its own role has {right} on {name}" if is_own else f"{grantee} has {right} on {name}"
        )
        yield Finding(f"tenant {slug}", problem, f"REVOKE {right} ON {kind} {name} FROM {grantee}")


def _rights_elsewhere(cursor: Any) -> Iterator[Finding]:
    """What was granted to a tenant's or person's role by name outside tenants' schemas: nothing should."""
    cursor.execute(
        """
        SELECT DISTINCT r.rolname, pg_describe_object(d.classid, d.objid, 0)
        FROM pg_roles r
        JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a'
            AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
        LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        LEFT JOIN pg_namespace n ON n.oid = CASE WHEN d.classid = 'pg_namespace'::regclass THEN d.objid
                                             ELSE coalesce(c.relnamespace, p.pronamespace) END
        WHERE (starts_with(r.rolname, %(database)s || '_t_') OR starts_with(r.rolname, %(database)s || '_x_'))
          AND coalesce(NOT starts_with(n.nspname, 't_'), true)
        """,
        {"database": roles.database_name()},
    )
    for role, described in cursor.fetchall():
        yield Finding(
            f"role {role}", f"has rights on {described}", f"REVOKE ALL ON {described} FROM {role}"
        )
