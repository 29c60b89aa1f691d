"""Changes of a tenant's state. Provisioning and the rest of the life cycle are in onboarding."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from shared_apps.core import context
from shared_apps.tenants import routing
from shared_apps.tenants.choices import TRANSITIONS, TenantState
from shared_apps.tenants.errors import StateTransitionError, TenantNotFoundError
from shared_apps.tenants.models import Tenant


def change_state(
    *, tenant_id: UUID, to: TenantState, at: datetime, reason: str = "", error: str = ""
) -> Tenant:
    """Move a tenant along the state machine; every process serves or refuses it from then on.

    Raises:
        TenantNotFoundError: no such tenant.
        StateTransitionError: `to` cannot follow the present state.
    """
    with context.operator(), transaction.atomic():
        tenant = Tenant.objects.select_for_update().filter(id=tenant_id).first()
        if tenant is None:
            raise TenantNotFoundError(tenant_id=str(tenant_id))
        if to not in TRANSITIONS[TenantState(tenant.state)]:
            raise StateTransitionError(
                f"A tenant that is {tenant.state} cannot become {to}.", state=tenant.state, to=to
            )
        tenant.state = to
        tenant.state_reason = reason
        tenant.last_error = error
        tenant.state_changed_at = at
        tenant.save(update_fields=["state", "state_reason", "last_error", "state_changed_at"])
        transaction.on_commit(routing.announce_change)
    return tenant
