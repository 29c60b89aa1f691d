"""Take back a tenant whose provisioning failed, so that nothing of it is left but its audit trail."""

from shared_apps.core import context
from shared_apps.onboarding import schemas
from shared_apps.onboarding.errors import NotUndoableError
from shared_apps.onboarding.provisioning import locks
from shared_apps.tenants import cache, files, routing
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant


def undo_failed(*, slug: str) -> None:
    """Drop the schema, the role, the domains and the row of a tenant that was never served.

    Its state proves that nobody worked in it: only provisioning leads to FAILED, and nothing leads
    back to it. Accounts of people stay; they may have other tenants.

    Raises:
        TenantNotFoundError: no such tenant.
        NotUndoableError: its provisioning did not fail.
        FilesPlaceMissingError: the process does not know where files are.
    """
    files.require_place()
    with locks.only_worker(slug):
        tenant = tenants_read.get_tenant(slug=slug)
        if tenant.state != TenantState.FAILED:
            raise NotUndoableError(state=tenant.state.lower())
        take_back(tenant)


def take_back(tenant: Tenant) -> None:
    """Remove all of a FAILED tenant; the caller is its only worker."""
    # The schema first: stopped in between, the row still says that something is left.
    with context.operator():
        schemas.drop_schema(tenant.identity)
    with context.tenant(tenant.identity):
        files.remove_all()
        cache.forget_everything()
    with context.operator():
        Tenant.objects.filter(id=tenant.id, state=TenantState.FAILED).delete()
    routing.announce_change()
