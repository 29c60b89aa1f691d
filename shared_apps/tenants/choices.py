from django.db import models


class TenantState(models.TextChoices):
    """pending → provisioning → active ⇄ suspended → archived → deleted; provisioning → failed."""

    PENDING = "PENDING"
    PROVISIONING = "PROVISIONING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    ARCHIVED = "ARCHIVED"
    DELETED = "DELETED"
    FAILED = "FAILED"


class OutcomeState(models.TextChoices):
    """Of a tenant's part of a fan-out; SENT for long means that no worker has finished it."""

    SENT = "SENT"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


TRANSITIONS: dict[TenantState, frozenset[TenantState]] = {
    TenantState.PENDING: frozenset({TenantState.PROVISIONING, TenantState.DELETED}),
    TenantState.PROVISIONING: frozenset({TenantState.ACTIVE, TenantState.FAILED}),
    TenantState.FAILED: frozenset({TenantState.PROVISIONING, TenantState.DELETED}),
    TenantState.ACTIVE: frozenset({TenantState.SUSPENDED}),
    TenantState.SUSPENDED: frozenset({TenantState.ACTIVE, TenantState.ARCHIVED}),
    TenantState.ARCHIVED: frozenset({TenantState.SUSPENDED, TenantState.DELETED}),
    TenantState.DELETED: frozenset(),
}

UNFINISHED = frozenset({TenantState.PENDING, TenantState.PROVISIONING, TenantState.FAILED})
"""Never served yet: provisioning completes them."""
