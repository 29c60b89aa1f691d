"""Changes of tenants that exist: each in one transaction."""

from datetime import datetime

from django.db import transaction

from shared_apps.accounts import services as accounts
from shared_apps.core import context
from shared_apps.onboarding import mail_servers, sign_in
from shared_apps.onboarding.errors import ReasonMissingError
from shared_apps.onboarding.provisioning import steps
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import StateTransitionError
from shared_apps.tenants.models import Tenant

_LONGEST_REASON = 500


def change_tenant(*, work: steps.Work) -> Tenant:
    """Make a tenant what its spec says, all of it or nothing.

    Raises:
        TenantNotFoundError, DomainTakenError, StateTransitionError: it is not what it was planned on.
    """
    spec = work.spec
    with context.operator(), transaction.atomic():
        tenant = work.tenant
        steps.configure(spec, tenant)
        tenants.set_domains(tenant_id=tenant.id, domains=spec.domains)
        for email in spec.admins:
            accounts.ensure_admin(tenant_id=tenant.id, email=email, password=None, at=work.at)
        sign_in.configure(tenant_id=tenant.id, spec=spec.auth, secrets=work.secrets, at=work.at)
        mail_servers.configure(
            tenant_id=tenant.id, spec=spec.mail, secrets=work.secrets, at=work.at
        )
        if spec.state is not None and spec.state != tenant.state:
            is_suspension = spec.state == TenantState.SUSPENDED
            tenants.change_state(
                tenant_id=tenant.id,
                to=spec.state,
                at=work.at,
                reason=steps.SUSPENDED_AS_DECLARED if is_suspension else "",
            )
        steps.plant(work)
    return work.tenant


def suspend_tenant(*, slug: str, reason: str, at: datetime) -> Tenant:
    """Turn everybody away from the next request on, in every process; they read the reason.

    Raises:
        TenantNotFoundError, ReasonMissingError.
        StateTransitionError: it is not active.
    """
    return _move(slug, TenantState.SUSPENDED, reason, at)


def resume_tenant(*, slug: str, reason: str, at: datetime) -> Tenant:
    """Serve a suspended tenant again.

    Raises:
        TenantNotFoundError, ReasonMissingError.
        StateTransitionError: it is not suspended.
    """
    with context.operator(), transaction.atomic():
        tenant = Tenant.objects.select_for_update().filter(slug=slug).first()
        # From PROVISIONING the way is open too, to the last step of provisioning and nobody else.
        if tenant is not None and tenant.state != TenantState.SUSPENDED:
            raise StateTransitionError(
                f"A tenant that is {tenant.state} is not suspended.", state=tenant.state
            )
        return _move(slug, TenantState.ACTIVE, reason, at)


def archive_tenant(*, slug: str, reason: str, at: datetime) -> Tenant:
    """Stop serving a tenant and keep all of its data.

    Raises:
        TenantNotFoundError, ReasonMissingError.
        StateTransitionError: it is neither active nor suspended.
    """
    with context.operator(), transaction.atomic():
        if tenants_read.get_tenant(slug=slug).state == TenantState.ACTIVE:
            _move(slug, TenantState.SUSPENDED, reason, at)
        return _move(slug, TenantState.ARCHIVED, reason, at)


def take_back_tenant(*, slug: str, reason: str, at: datetime) -> Tenant:
    """Take a tenant out of the archive, with everything, also one that was going to be deleted.

    It is suspended then; `resume_tenant` serves it again.

    Raises:
        TenantNotFoundError, ReasonMissingError.
        StateTransitionError: it is not archived, or its deletion has begun.
    """
    with context.operator(), transaction.atomic():
        tenant = tenants_read.get_tenant(slug=slug)
        if tenant.state != TenantState.ARCHIVED:
            raise StateTransitionError(
                f"A tenant that is {tenant.state} is not in the archive.", state=tenant.state
            )
        return _move(slug, TenantState.SUSPENDED, reason, at)


def _move(slug: str, to: TenantState, reason: str, at: datetime) -> Tenant:
    text = " ".join(reason.split())
    if not text or len(text) > _LONGEST_REASON:
        raise ReasonMissingError(
            None if not text else f"A reason has at most {_LONGEST_REASON} characters."
        )
    tenant = tenants_read.get_tenant(slug=slug)
    tenants.change_state(tenant_id=tenant.id, to=to, at=at, reason=text)
    return tenants_read.get_tenant(slug=slug)
