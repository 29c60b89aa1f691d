"""Reads of tenants and domains. All run in the operator's context, whoever asks."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from shared_apps.core import context
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import (
    TenantGoneError,
    TenantNotFoundError,
    TenantNotReadyError,
    TenantSuspendedError,
)
from shared_apps.tenants.models import Domain, TaskOutcome, Tenant


def find_tenant_by_host(*, host: str) -> Tenant | None:
    with context.operator():
        domain = Domain.objects.select_related("tenant").filter(domain=host).first()
    return domain.tenant if domain else None


def list_served_hosts(*, hosts: Collection[str]) -> dict[str, UUID]:
    """Those of these canonical host names that lead to a tenant that is served, with its id."""
    with context.operator():
        domains = Domain.objects.filter(domain__in=hosts, tenant__state=TenantState.ACTIVE)
        return dict(domains.values_list("domain", "tenant_id"))


def get_tenant(*, slug: str) -> Tenant:
    """Raises TenantNotFoundError."""
    with context.operator():
        tenant = Tenant.objects.prefetch_related("domains").filter(slug=slug).first()
    if tenant is None:
        raise TenantNotFoundError(slug=slug)
    return tenant


def get_primary_host(*, tenant_id: UUID) -> str:
    """The host name that addresses of this tenant are made with.

    Raises:
        TenantNotFoundError: no such tenant, or it has no domain.
    """
    with context.operator():
        host = Domain.objects.filter(tenant=tenant_id).values_list("domain", flat=True).first()
    if host is None:
        raise TenantNotFoundError(tenant_id=str(tenant_id))
    return str(host)


def is_registered(*, slug: str) -> bool:
    """Whether there is a tenant of this name, in whatever state."""
    with context.operator():
        return Tenant.objects.filter(slug=slug).exists()


def get_tenant_by_id(*, tenant_id: UUID) -> Tenant:
    """Raises TenantNotFoundError."""
    with context.operator():
        tenant = Tenant.objects.filter(id=tenant_id).first()
    if tenant is None:
        raise TenantNotFoundError(tenant_id=str(tenant_id))
    return tenant


def list_tenants() -> QuerySet[Tenant]:
    """Lazy: evaluate it in the operator's context."""
    return Tenant.objects.prefetch_related("domains").exclude(state=TenantState.DELETED)


def list_deletable(*, at: datetime) -> list[Tenant]:
    """Tenants whose grace has ended, and those whose deletion was begun and did not end."""
    due = Q(state=TenantState.ARCHIVED, delete_after__lte=at)
    with context.operator():
        return list(Tenant.objects.filter(due | Q(state=TenantState.DELETED)))


def list_task_outcomes(*, tenant_id: UUID) -> list[TaskOutcome]:
    """How each task that fans out over the tenants last went for this one."""
    with context.operator():
        return list(TaskOutcome.objects.filter(tenant=tenant_id))


def has_feature(*, tenant_id: UUID, feature: str) -> bool:
    """Whether it is switched on for a tenant; what was never declared is off.

    Raises:
        TenantNotFoundError: no such tenant.
    """
    return get_tenant_by_id(tenant_id=tenant_id).features.get(feature) is True


def require_served(*, state: TenantState, reason: str) -> None:
    """Refuse a tenant that is not active, saying why.

    Raises:
        TenantSuspendedError, TenantNotReadyError, TenantGoneError: by its state.
    """
    match state:
        case TenantState.ACTIVE:
            return
        case TenantState.SUSPENDED:
            raise TenantSuspendedError(reason=reason)
        case TenantState.PENDING | TenantState.PROVISIONING | TenantState.FAILED:
            raise TenantNotReadyError(state=state)
        case TenantState.ARCHIVED | TenantState.DELETED:
            raise TenantGoneError
