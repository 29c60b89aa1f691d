"""How much a tenant's files take, and whether it bought what they will take."""

from collections.abc import Iterator

from django.conf import settings

from shared_apps.core import context, doctor
from shared_apps.tenants import files, selectors
from shared_apps.tenants.models import Tenant

_MB = 1_000_000
_NEARLY = 0.8


def used_bytes(tenant: Tenant) -> int | None:
    """None where this process knows no place of files."""
    if not settings.MEDIA_ROOT:
        return None
    with context.tenant(tenant.identity):
        return files.used_bytes()


def find_problems() -> Iterator[doctor.Finding]:
    """Tenants with a plan that there is not, and those whose files have nearly no room."""
    for tenant in list(selectors.list_tenants()):
        quotas = tenant.quotas
        if quotas.plan and quotas.plan not in settings.RATE_PLANS:
            yield doctor.Finding(
                tenant.slug,
                f"has the plan {quotas.plan}, which RATE_PLANS does not name: it has the default rates",
                "name it in RATE_PLANS, or declare another plan and apply",
            )
        if quotas.storage_mb is None or not settings.MEDIA_ROOT:
            continue
        used = used_bytes(tenant) or 0
        if used >= quotas.storage_mb * _MB * _NEARLY:
            yield doctor.Finding(
                tenant.slug,
                f"its files take {-(-used // _MB)} of {quotas.storage_mb} MB",
                "raise limits.storage_mb, or have files deleted",
            )
