"""The application's and the relay's login: no powers, no property, no definitions."""

from collections.abc import Iterator
from typing import Any

from shared_apps.core.doctor import Finding
from shared_apps.fleet import roles
from shared_apps.fleet.wall import membership
from shared_apps.tenants import names

_INSTALL = "manage.py install"


def examine(cursor: Any) -> Iterator[Finding]:
    logins = [roles.application_login(), roles.relay_login()]
    known = membership.load_roles(cursor, logins)
    for name in logins:
        login = known.get(name)
        if login is None:
            yield Finding(f"login {name}", "does not exist", _INSTALL)
            continue
        wrong = [*login.powers, *(["INHERIT"] if login.inherit else [])]
        if wrong:
            yield Finding(f"login {name}", f"has {', '.join(wrong)}", _INSTALL)
    yield from _property(cursor)
    yield from _definitions(cursor)
    yield from _memberships(cursor, logins)


def _property(cursor: Any) -> Iterator[Finding]:
    """Whoever owns a table reads it past every policy and may drop the policies."""
    cursor.execute(
        """
        SELECT r.rolname, o.rolname, min(pg_describe_object(d.classid, d.objid, d.objsubid)), count(*)
        FROM pg_namespace p
        JOIN pg_roles o ON o.oid = p.nspowner
        JOIN pg_roles r ON r.oid <> o.oid AND starts_with(r.rolname, %s)
        JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
            AND d.deptype = 'o'
        JOIN pg_database b ON b.datname = current_database() AND (d.dbid = b.oid
            OR d.dbid = 0 AND d.classid = 'pg_database'::regclass AND d.objid = b.oid)
        WHERE p.nspname = 'public'
        GROUP BY r.rolname, o.rolname
        """,
        [f"{roles.database_name()}_"],
    )
    for name, owner, example, count in cursor.fetchall():
        yield Finding(
            f"role {name}",
            f"owns {example}" + (f" and {count - 1} more" if count > 1 else ""),
            f"REASSIGN OWNED BY {name} TO {owner}",
        )


def _definitions(cursor: Any) -> Iterator[Finding]:
    """Rights to define something in the database or in any schema of it."""
    cursor.execute(
        """
        SELECT 'database ' || datname, a.grantee, a.privilege_type
        FROM pg_database d CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba))) a
        WHERE datname = current_database() AND a.grantee <> datdba AND a.privilege_type <> 'CONNECT'
        UNION ALL
        SELECT 'database ' || datname, a.grantee, a.privilege_type
        FROM pg_database d CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba))) a
        WHERE datname = current_database() AND a.grantee = 0 AND a.privilege_type = 'CONNECT'
        UNION ALL
        SELECT 'schema ' || nspname, a.grantee, a.privilege_type
        FROM pg_namespace CROSS JOIN aclexplode(nspacl) a
        WHERE a.grantee <> nspowner AND a.privilege_type = 'CREATE' AND nspname NOT LIKE 'pg\\_%'
        """
    )
    for subject, grantee, right in _named(cursor, cursor.fetchall()):
        yield Finding(
            subject, f"{grantee} has {right}", f"REVOKE {right} ON {subject} FROM {grantee}"
        )


def _named(cursor: Any, rows: list[tuple[str, int, str]]) -> list[tuple[str, str, str]]:
    cursor.execute(
        "SELECT oid, rolname FROM pg_roles WHERE oid = ANY(%s)", [[row[1] for row in rows]]
    )
    known = dict(cursor.fetchall())
    return [(subject, known.get(grantee, "PUBLIC"), right) for subject, grantee, right in rows]


def _memberships(cursor: Any, logins: list[str]) -> Iterator[Finding]:
    """The application becomes tenants and people of this database; the relay becomes nobody."""
    database = roles.database_name()
    own = (f"{database}_t_", names.person_role_prefix(database))
    for found in membership.load_memberships(cursor, logins):
        if found.member not in logins:
            yield Finding(
                f"login {found.role}",
                f"{found.member} is a member of it",
                found.undo,
            )
        elif found.member != roles.application_login() or not found.role.startswith(own):
            yield Finding(
                f"login {found.member}",
                f"is a member of {found.role}",
                found.undo,
            )
