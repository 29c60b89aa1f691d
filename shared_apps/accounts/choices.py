from django.db import models


class Role(models.TextChoices):
    """A person's role in one tenant."""

    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


class CrossTenantRole(models.TextChoices):
    """A person's role over tenants that an operator granted one by one; it reads, never writes."""

    AUDITOR = "auditor"
    SUPPORT = "support"


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
}
