"""What a cross-tenant person may read. Lists are lazy: evaluate them in the person's context."""

from datetime import datetime
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet

from shared_apps.core import context
from shared_apps.core.doctor import Finding
from shared_apps.portfolio.models import Invoice, Staleness
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.scoping import InScope

_TENANT_COLUMNS = ("id", "slug", "name", "state", "created_at")


def list_tenants(
    *, slug: str | None = None, state: TenantState | None = None,
    since: datetime | None = None, until: datetime | None = None,
) -> QuerySet[Tenant]:  # fmt: skip
    """The granted tenants by name. The person's role may read these columns and no other."""
    tenants = Tenant.objects.filter(InScope("id")).only(*_TENANT_COLUMNS).order_by("slug")
    tenants = tenants.exclude(state=TenantState.DELETED)
    if slug is not None:
        tenants = tenants.filter(slug=slug)
    if state is not None:
        tenants = tenants.filter(state=state)
    if since is not None:
        tenants = tenants.filter(created_at__gte=since)
    if until is not None:
        tenants = tenants.filter(created_at__lt=until)
    return tenants


def list_slugs(*, using: str = DEFAULT_DB_ALIAS) -> dict[UUID, str]:
    """The granted tenants: id → name in addresses."""
    return dict(list_tenants().using(using).values_list("id", "slug"))


def list_invoices(
    *, tenant_id: UUID | None = None, status: str | None = None,
    since: datetime | None = None, until: datetime | None = None,
) -> QuerySet[Invoice]:  # fmt: skip
    """Newest first. `since` is inclusive, `until` is not; both are of the invoice's creation."""
    invoices = Invoice.objects.order_by("-created_at", "-id")
    if tenant_id is not None:
        invoices = invoices.filter(tenant_id=tenant_id)
    if status is not None:
        invoices = invoices.filter(status=status)
    if since is not None:
        invoices = invoices.filter(created_at__gte=since)
    if until is not None:
        invoices = invoices.filter(created_at__lt=until)
    return invoices


def find_stale() -> list[Finding]:
    """Tenants whose gathered rows are not known to be right."""
    with context.operator():
        stale = list(Staleness.objects.values_list("tenant__slug", "since", "reason"))
    return [
        Finding(
            f"tenant {slug}",
            f"what is gathered of it has not followed since {since:%Y-%m-%d %H:%M} UTC ({reason})",
            f"manage.py portfolio rebuild --tenant {slug}",
        )
        for slug, since, reason in stale
    ]
