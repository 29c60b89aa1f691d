"""Spare schemas: each known, whole, and closed to everybody until a tenant gets it."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from shared_apps.core.doctor import Finding
from shared_apps.fleet import roles
from shared_apps.fleet.spares import pool

# Whoever may reach into a spare, or take on its role; since PostgreSQL 16 who makes a role administers it.
_OPENINGS = """
    WITH spares AS (
        SELECT s.schema_name, n.oid AS schema, n.nspowner, n.nspacl, r.oid AS role, r.rolcanlogin
        FROM public.fleet_spareschema s
        LEFT JOIN pg_namespace n ON n.nspname = s.schema_name
        LEFT JOIN pg_roles r ON r.rolname = %(prefix)s || s.schema_name
    ), owner AS (
        SELECT nspowner AS oid FROM pg_namespace WHERE nspname = 'public'
    )
    SELECT schema_name, problem FROM public.fleet_spareschema WHERE starts_with(problem, %(not_dropped)s)
    UNION ALL
    SELECT schema_name, 'its schema is missing' FROM spares WHERE schema IS NULL
    UNION ALL
    SELECT schema_name, 'its role is missing' FROM spares WHERE role IS NULL
    UNION ALL
    SELECT schema_name, 'its schema belongs to ' || nspowner::regrole::text FROM spares, owner WHERE nspowner <> owner.oid
    UNION ALL
    SELECT schema_name, concat_ws(' ', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                                  'has', a.privilege_type, 'on its schema')
    FROM spares CROSS JOIN LATERAL aclexplode(nspacl) a WHERE a.grantee <> nspowner
    UNION ALL
    SELECT schema_name, 'its role may sign in' FROM spares WHERE rolcanlogin
    UNION ALL
    SELECT schema_name, concat_ws(' ', m.member::regrole::text, 'has its role')
    FROM spares CROSS JOIN owner JOIN pg_auth_members m ON m.roleid = spares.role
    WHERE m.member <> owner.oid OR (to_jsonb(m) ->> 'inherit_option')::boolean
    UNION ALL
    SELECT schema_name, concat_ws(' ', 'its role is a member of', m.roleid::regrole::text)
    FROM spares JOIN pg_auth_members m ON m.member = spares.role
    ORDER BY 1, 2
"""
_LEFT_OVER = """
    SELECT 'schema', nspname FROM pg_namespace
    WHERE nspname ~ '^spare_[0-9a-f]{12}$'
      AND nspname NOT IN (SELECT schema_name FROM public.fleet_spareschema)
    UNION ALL
    SELECT 'role', rolname FROM pg_roles
    WHERE starts_with(rolname, %(prefix)s)
      AND substr(rolname, length(%(prefix)s) + 1) ~ '^spare_[0-9a-f]{12}$'
      AND rolname NOT IN (SELECT %(prefix)s || schema_name FROM public.fleet_spareschema)
    ORDER BY 1 DESC, 2
"""


def examine(cursor: Any) -> Iterator[Finding]:
    cursor.execute("SELECT to_regclass('public.fleet_spareschema') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return  # not migrated yet, so there are none
    parameters = {"prefix": f"{roles.database_name()}_", "not_dropped": pool.NOT_DROPPED}
    cursor.execute(_LEFT_OVER, parameters)
    for kind, name in cursor.fetchall():
        cascade = " CASCADE" if kind == "schema" else ""
        yield Finding(
            f"{kind} {name}",
            "belongs to no spare and no tenant",
            f"DROP {kind.upper()} {name}{cascade}",
        )
    cursor.execute(_OPENINGS, parameters)
    for schema, problem in cursor.fetchall():
        yield Finding(
            f"spare {schema}", problem, f"manage.py fleet spares --target {settings.SPARE_SCHEMAS}"
        )
