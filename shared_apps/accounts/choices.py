from collections.abc import Iterable
from typing import Final

from django.db import models


class Role(models.TextChoices):
    """The roles that every tenant has; its administrators may make others (TenantRole)."""

    ADMIN = "admin"
    EDITOR = "editor"
    MODERATOR = "moderator"
    """An editor by another name."""
    USER = "user"
    """Reads and writes, and deletes nothing."""
    VIEWER = "viewer"


class RoleOrigin(models.TextChoices):
    """Where a role in a tenant came from."""

    GRANTED = "granted"
    DIRECTORY = "directory"


class CrossTenantRole(models.TextChoices):
    """A person's role over tenants that an operator granted one by one; it reads, never writes."""

    AUDITOR = "auditor"
    SUPPORT = "support"


# The role of User.is_operator on the public host; it is no row of any table.
OPERATOR_ROLE: Final = "operator"
# What no tenant may call a role of its own.
RESERVED_ROLE_NAMES: Final = (*Role.values, *CrossTenantRole.values, OPERATOR_ROLE)
ROLE_NAME: Final = r"^[a-z][a-z0-9_-]{0,39}$"


class Permission(models.TextChoices):
    """The one vocabulary of what a role allows."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    ADMIN = "admin"


PERMISSIONS_OF_ROLE: dict[str, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.USER: frozenset({Permission.READ, Permission.WRITE}),
    Role.EDITOR: frozenset({Permission.READ, Permission.WRITE, Permission.DELETE}),
    Role.MODERATOR: frozenset({Permission.READ, Permission.WRITE, Permission.DELETE}),
    Role.ADMIN: frozenset(Permission),
    CrossTenantRole.AUDITOR: frozenset({Permission.READ}),
    CrossTenantRole.SUPPORT: frozenset({Permission.READ}),
    OPERATOR_ROLE: frozenset(Permission),
}


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """What the built-in roles allow together; any other name allows nothing by itself."""
    return frozenset[Permission]().union(
        *(PERMISSIONS_OF_ROLE.get(role, frozenset()) for role in roles)
    )
