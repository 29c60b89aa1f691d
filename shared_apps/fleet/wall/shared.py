"""The shared schema: row-level security on every table, and rights that models declare."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared_apps.core.doctor import Finding
from shared_apps.fleet import roles, row_security

_MIGRATE = "manage.py migrate"
_USE = frozenset(["SELECT", "INSERT", "UPDATE", "DELETE"])


@dataclass(frozen=True, slots=True)
class _Right:
    table: str
    kind: str
    role: str
    right: str
    column: str


def examine(cursor: Any) -> Iterator[Finding]:
    yield from _security(cursor)
    yield from _rights(cursor)
    yield from _functions(cursor)


def _security(cursor: Any) -> Iterator[Finding]:
    secured = row_security.tables(cursor)
    for table in [table for table, is_secured in secured.items() if not is_secured]:
        yield Finding(f"table public.{table}", "has no row-level security", _MIGRATE)
    wanted = set(row_security.policies(list(secured), row_security.declared()))
    existing = row_security.existing_policies(cursor)
    for policy in wanted - existing:
        yield Finding(
            f"table public.{policy.table}",
            f"policy {policy.name} is missing or was changed",
            _MIGRATE,
        )
    expected = {(policy.table, policy.name) for policy in wanted}
    for policy in existing - wanted:
        if (policy.table, policy.name) not in expected:
            yield Finding(
                f"table public.{policy.table}",
                f"policy {policy.name} for {policy.role} was not made by the product",
                _MIGRATE
                if policy.table in secured
                else f"DROP POLICY {policy.name} ON {policy.table}",
            )


def _rights(cursor: Any) -> Iterator[Finding]:
    found = _load(cursor)
    wanted = _declared()
    for right in sorted(wanted - found, key=str):
        yield Finding(f"table public.{right.table}", f"{right.role} lacks {right.right}", _MIGRATE)
    for right in sorted(found - wanted, key=str):
        if not _is_the_operators(right):
            what = f"{right.right} ({right.column})" if right.column else right.right
            yield Finding(
                f"{right.kind.lower()} public.{right.table}",
                f"{right.role} has {what}",
                f"REVOKE {what} ON {right.kind} public.{right.table} FROM {right.role}",
            )


def _declared() -> set[_Right]:
    """Of the groups and the relay."""
    relay = roles.relay_login()
    wanted = {
        _Right(grant.table, "TABLE", grant.role, grant.right, column)
        for grant in row_security.grants(row_security.declared())
        for column in grant.columns or ("",)
    }
    return wanted | {
        _Right("audit_outbox", "TABLE", relay, "SELECT", ""),
        _Right("audit_outbox", "TABLE", relay, "DELETE", ""),
        _Right("audit_outbox", "TABLE", relay, "UPDATE", "id"),
        _Right("tenants_tenant", "TABLE", relay, "SELECT", "id"),
        _Right("tenants_tenant", "TABLE", relay, "SELECT", "schema_name"),
    }


def _is_the_operators(right: _Right) -> bool:
    """What the application's login has for the operator's context (fleet/grants.py)."""
    if right.role != roles.application_login():
        return False
    if right.kind == "SEQUENCE":
        return right.right == "USAGE"
    if right.table == "audit_outbox":
        return False
    return right.right == "SELECT" if right.table == "django_migrations" else right.right in _USE


def _load(cursor: Any) -> set[_Right]:
    """Rights on the shared schema's tables and sequences that others have than their owner and the schema's."""
    cursor.execute(
        """
        SELECT c.relname, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
               coalesce(g.rolname, 'PUBLIC'), a.privilege_type, a.col
        FROM pg_class c
        CROSS JOIN LATERAL (
            SELECT grantee, privilege_type, '' AS col FROM aclexplode(c.relacl)
            UNION ALL
            SELECT e.grantee, e.privilege_type, b.attname FROM pg_attribute b, aclexplode(b.attacl) e
            WHERE b.attrelid = c.oid AND b.attacl IS NOT NULL
        ) a
        LEFT JOIN pg_roles g ON g.oid = a.grantee
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND a.grantee NOT IN (c.relowner, n.nspowner)
        """
    )
    return {_Right(*row) for row in cursor.fetchall()}


def _functions(cursor: Any) -> Iterator[Finding]:
    """Functions of the shared schema that anybody may call, and such as take names from their caller."""
    cursor.execute(
        """
        SELECT p.proname, n.nspname,
               EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
                       WHERE grantee = 0) AND n.nspname = 'public',
               p.prosecdef AND NOT coalesce(p.proconfig::text LIKE '%search_path=%', false)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE (n.nspname = 'public' OR starts_with(n.nspname, 't_'))
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                          AND d.objid = p.oid AND d.deptype = 'e')
        """
    )
    for name, schema, is_public, is_open in cursor.fetchall():
        if is_public:
            yield Finding(
                f"function {schema}.{name}",
                "may be called by PUBLIC",
                f"REVOKE ALL ON FUNCTION {schema}.{name} FROM PUBLIC",
            )
        if is_open:
            yield Finding(
                f"function {schema}.{name}",
                "runs with its owner's rights on its caller's search_path",
                f"ALTER FUNCTION {schema}.{name} SET search_path = {schema}, pg_temp",
            )
