"""The rules of names: slugs, schemas, roles and host names. Pure functions, no database."""

import re
from uuid import UUID

from shared_apps.tenants.errors import DomainNameError, ReservedNameError, TenantNameError

SLUG = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
RESERVED_SLUGS = frozenset(
    [
        "admin",
        "api",
        "app",
        "audit",
        "auth",
        "dashboard",
        "health",
        "help",
        "localhost",
        "mail",
        "media",
        "metrics",
        "operator",
        "portfolio",
        "postgres",
        "public",
        "root",
        "smtp",
        "static",
        "status",
        "support",
        "system",
        "template",
        "tenant",
        "tenants",
        "www",
    ]
)
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_ROLE_LIMIT = 63  # bytes; NAMEDATALEN - 1


def validate_slug(slug: str) -> str:
    """`slug` itself.

    Raises:
        TenantNameError: it breaks the rule `^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$`.
        ReservedNameError: the product needs the name itself.
    """
    if not SLUG.fullmatch(slug):
        raise TenantNameError
    if slug in RESERVED_SLUGS:
        raise ReservedNameError
    return slug


def schema_of(slug: str) -> str:
    return "t_" + slug.replace("-", "_")


def role_of(schema: str, *, database: str) -> str:
    """Roles belong to the whole server, so the name carries the database: two installations may share one.

    Raises:
        TenantNameError: database and schema together exceed PostgreSQL's 63 bytes, which it would
            cut off silently, giving two tenants one role.
    """
    return _role(f"{database}_{schema}")


def _role(role: str) -> str:
    if len(role.encode()) > _ROLE_LIMIT:
        raise TenantNameError(f"The role name {role} would exceed {_ROLE_LIMIT} bytes.")
    return role


SPARE = re.compile(r"spare_[0-9a-f]{12}", re.ASCII)
"""The schema of a spare: no tenant's begins so."""


def spare_schema(number: int) -> str:
    """Raises ValueError: a number of more than 48 bits."""
    if not 0 <= number < 1 << 48:
        raise ValueError(number)
    return f"spare_{number:012x}"


def tenants_group(database: str) -> str:
    """The role that every tenant's role inherits: what all of them may do in the shared schema."""
    return _role(f"{database}_tenants")


def readers_group(database: str) -> str:
    """The role that every cross-tenant person's role inherits."""
    return _role(f"{database}_readers")


def person_role_prefix(database: str) -> str:
    """The beginning of a cross-tenant person's role; the id in hexadecimal follows."""
    return f"{database}_x_"


def person_role_of(user_id: UUID, *, database: str) -> str:
    """Raises TenantNameError: the database's name is too long to be part of a role's."""
    return _role(person_role_prefix(database) + user_id.hex)


def canonical_host(raw: str) -> str:
    """A host as stored and compared: lower case, without port and trailing dot.

    Raises:
        DomainNameError: not a DNS name (addresses and anything odd are refused).
    """
    host = raw.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise DomainNameError
    if labels[-1].isdigit():
        raise DomainNameError("An address is not a host name.")
    return host
