"""The roles of cross-tenant people: there with the first grant, gone with the last."""

from collections.abc import Iterator
from typing import Any

from shared_apps.core.doctor import Finding
from shared_apps.fleet import roles
from shared_apps.fleet.wall import membership
from shared_apps.tenants import names

_MIGRATE = "manage.py migrate"


def examine(cursor: Any) -> Iterator[Finding]:
    prefix = names.person_role_prefix(roles.database_name())
    cursor.execute(
        "SELECT %s || translate(user_id::text, '-', '') FROM public.accounts_crosstenantgrant GROUP BY 1",
        [prefix],
    )
    wanted = {row[0] for row in cursor.fetchall()}
    cursor.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [prefix])
    there = {row[0] for row in cursor.fetchall()}
    for name in sorted(wanted - there):
        yield Finding(f"role {name}", "of a person with grants is missing", _MIGRATE)
    for name in sorted(there - wanted):
        yield Finding(f"role {name}", "belongs to nobody with a grant", f"DROP ROLE {name}")
    known = sorted(wanted & there)
    memberships = membership.load_memberships(cursor, known)
    cursor.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'")
    owner = cursor.fetchone()[0].strip('"')
    for role in membership.load_roles(cursor, known).values():
        yield from membership.examine_becoming(
            role,
            [m for m in memberships if role.name in (m.role, m.member)],
            group=roles.readers_group(),
            login=roles.application_login(),
            owner=owner,
            remedy=_MIGRATE,
        )
