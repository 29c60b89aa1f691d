"""Who is a member of which role, and with what attributes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared_apps.core.doctor import Finding

_POWERS = ("superuser", "bypassrls", "createrole", "createdb", "replication")


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    superuser: bool
    bypassrls: bool
    createrole: bool
    createdb: bool
    replication: bool
    inherit: bool
    login: bool

    @property
    def powers(self) -> list[str]:
        return [power.upper() for power in _POWERS if getattr(self, power)]


@dataclass(frozen=True, slots=True)
class Membership:
    role: str
    member: str
    inherits: bool
    """The member has the role's rights without becoming it."""
    becomes: bool
    """The member may SET ROLE to it."""
    administers: bool
    grantor: str

    @property
    def undo(self) -> str:
        """The statement that ends it; since PostgreSQL 16 it must name who granted it."""
        return f"REVOKE {self.role} FROM {self.member} GRANTED BY {self.grantor}"


def load_roles(cursor: Any, names: list[str]) -> dict[str, Role]:
    """The named roles that exist."""
    cursor.execute(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,"
        " rolinherit, rolcanlogin FROM pg_roles WHERE rolname = ANY(%s)",
        [names],
    )
    return {row[0]: Role(*row) for row in cursor.fetchall()}


def load_memberships(cursor: Any, names: list[str]) -> list[Membership]:
    """Everything that the named roles are members of, and every member of theirs.

    Before PostgreSQL 16 a membership has no options: the member's own attribute decides.
    """
    cursor.execute(
        """
        SELECT r.rolname, m.rolname, coalesce(bool_or((o ->> 'inherit_option')::boolean), m.rolinherit),
               coalesce(bool_or((o ->> 'set_option')::boolean), true), bool_or(a.admin_option),
               min(g.rolname)
        FROM pg_auth_members a
        CROSS JOIN LATERAL to_jsonb(a) o
        JOIN pg_roles r ON r.oid = a.roleid
        JOIN pg_roles m ON m.oid = a.member
        JOIN pg_roles g ON g.oid = a.grantor
        WHERE r.rolname = ANY(%(names)s) OR m.rolname = ANY(%(names)s)
        GROUP BY r.rolname, m.rolname, m.rolinherit
        """,
        {"names": names},
    )
    return [Membership(*row) for row in cursor.fetchall()]


def examine_becoming(
    role: Role,
    memberships: list[Membership],
    *,
    group: str,
    login: str,
    owner: str,
    remedy: str,
    may_log_in: bool = False,
) -> Iterator[Finding]:
    """A role, mostly without login, that inherits `group` alone and that `login` alone may become."""
    if may_log_in and not role.login:
        yield Finding(f"role {role.name}", "lacks LOGIN: Citus connects to its node as it", remedy)
    wrongly = role.login and not may_log_in
    if wrongly or role.powers:
        powers = ", ".join([*(["LOGIN"] if wrongly else []), *role.powers])
        undo = " ".join(f"NO{power}" for power in powers.split(", "))
        yield Finding(f"role {role.name}", f"has {powers}", f"ALTER ROLE {role.name} {undo}")
    groups = {m.role: m for m in memberships if m.member == role.name}
    if group not in groups or not groups[group].inherits:
        yield Finding(f"role {role.name}", f"does not inherit {group}", remedy)
    for other in groups.keys() - {group}:
        yield Finding(f"role {role.name}", f"is a member of {other}", groups[other].undo)
    members = {m.member: m for m in memberships if m.role == role.name}
    if login not in members or not members[login].becomes:
        yield Finding(f"role {role.name}", f"{login} cannot become it", remedy)
    for member in members.values():
        # Since PostgreSQL 16 whoever makes a role administers it.
        is_owner = member.member == owner and not member.inherits
        is_login = member.member == login and not member.inherits and not member.administers
        if not is_owner and not is_login:
            yield Finding(
                f"role {role.name}",
                f"{member.member} has its rights or hands them on",
                member.undo,
            )
