from collections.abc import Iterable
from typing import Final

from django.db import models


class Role(models.TextChoices):
    """A person's role in one tenant."""

    ADMIN = "admin"
    EDITOR = "editor"
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


class Permission(models.TextChoices):
    """The one vocabulary of what a role allows."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    ADMIN = "admin"


PERMISSIONS_OF_ROLE: dict[str, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.EDITOR: frozenset({Permission.READ, Permission.WRITE, Permission.DELETE}),
    Role.ADMIN: frozenset(Permission),
    CrossTenantRole.AUDITOR: frozenset({Permission.READ}),
    CrossTenantRole.SUPPORT: frozenset({Permission.READ}),
    OPERATOR_ROLE: frozenset(Permission),
}


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """What the roles allow together; one that is not known allows nothing."""
    return frozenset[Permission]().union(
        *(PERMISSIONS_OF_ROLE.get(role, frozenset()) for role in roles)
    )
