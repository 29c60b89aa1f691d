"""Changes of a tenant's state and limits. Provisioning and the rest of the life cycle are in onboarding."""

from dataclasses import astuple
from datetime import datetime
from uuid import UUID

from django.db import transaction

from shared_apps.core import context
from shared_apps.core.limits import TenantLimits
from shared_apps.tenants import routing
from shared_apps.tenants.choices import TRANSITIONS, TenantState
from shared_apps.tenants.errors import LimitsError, StateTransitionError, TenantNotFoundError
from shared_apps.tenants.models import Tenant

# An integer column, and a timeout in PostgreSQL, end here.
_LARGEST_LIMIT = 2**31 - 1


def change_limits(*, tenant_id: UUID, limits: TenantLimits) -> Tenant:
    """Set all limits of a tenant; requests that begin from then on have them, in every process.

    Raises:
        TenantNotFoundError: no such tenant.
        LimitsError: a limit is less than 1 or more than PostgreSQL can hold.
    """
    if any(value is not None and not 1 <= value <= _LARGEST_LIMIT for value in astuple(limits)):
        raise LimitsError
    with context.operator(), transaction.atomic():
        tenant = Tenant.objects.select_for_update().filter(id=tenant_id).first()
        if tenant is None:
            raise TenantNotFoundError(tenant_id=str(tenant_id))
        tenant.statement_timeout_ms = limits.statement_timeout_ms
        tenant.idle_in_transaction_timeout_ms = limits.idle_in_transaction_timeout_ms
        tenant.connection_limit = limits.connections
        tenant.save(
            update_fields=[
                "statement_timeout_ms",
                "idle_in_transaction_timeout_ms",
                "connection_limit",
            ]
        )
        transaction.on_commit(routing.announce_change)
    return tenant


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
