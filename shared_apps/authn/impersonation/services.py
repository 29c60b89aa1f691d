"""Beginning and ending to work in somebody's name. All in the operator's context."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import selectors as people
from shared_apps.accounts.choices import Permission
from shared_apps.accounts.errors import PersonNotFoundError
from shared_apps.authn.choices import SessionEnd
from shared_apps.authn.errors import (
    ImpersonationNotFoundError,
    ImpersonationRunningError,
    NotImpersonableError,
    SupportAccessOffError,
)
from shared_apps.authn.impersonation import selectors
from shared_apps.authn.models import Impersonation, Session
from shared_apps.authn.tokens import AccessToken, installed_lifetimes
from shared_apps.core import attribution, context
from shared_apps.tenants import selectors as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import TenantNotFoundError

_BATCH = 100


@dataclass(frozen=True)
class Started:
    impersonation: Impersonation
    access: str


def start(
    *, slug: str, user: UUID | str, by: UUID, reason: str, length: timedelta, may_write: bool,
    ip: str | None, at: datetime,
) -> Started:  # fmt: skip
    """Sign somebody of support in at a tenant as one of its people, for a while and without a refresh.

    `user` is an id or an address.

    Raises:
        TenantNotFoundError: there is none, or it was not granted to `by` for support.
        TenantSuspendedError, TenantNotReadyError, TenantGoneError: it is not served.
        SupportAccessOffError: the tenant has not agreed.
        PersonNotFoundError: nobody who works there now.
        NotImpersonableError: an administrator, an operator or `by` themselves.
        ImpersonationRunningError: `by` is at work in somebody's name already.
    """
    tenant = tenants.get_tenant(slug=slug)
    with context.operator(), transaction.atomic():
        # Whoever takes the grant away waits, or was first.
        grants = people.support_grants().filter(user_id=by, tenant_id=tenant.id)
        if grants.select_for_update(of=("self",), no_key=True).first() is None:
            raise TenantNotFoundError(slug=slug)
        tenants.require_served(state=TenantState(tenant.state), reason=tenant.state_reason)
        if tenant.features.get(selectors.FEATURE) is not True:
            raise SupportAccessOffError
        person = people.find_user_by_email(email=user) if isinstance(user, str) else None
        user_id = person.pk if person else user
        if isinstance(user_id, str):
            raise PersonNotFoundError
        member = people.find_member(tenant_id=tenant.id, user_id=user_id, for_update=True)
        if member is None or not (member.is_active and member.user.is_active):
            raise PersonNotFoundError
        if Permission.ADMIN in member.permissions or member.user.is_operator or user_id == by:
            raise NotImpersonableError
        _require_free(by=by, at=at)
        ends_at = at + length
        with attribution.on_behalf_of(user_id):
            session = Session.objects.create(
                user_id=user_id, tenant_id=tenant.id, membership=member, backend=selectors.BACKEND,
                auth_time=at, created_at=at, last_used_at=at, expires_at=ends_at,
                ip=ip,
            )  # fmt: skip
            impersonation = Impersonation.objects.create(
                tenant=tenant, user=member.user, impersonator_id=by, session=session, reason=reason,
                may_write=may_write, started_at=at, ends_at=ends_at,
            )  # fmt: skip
    access = AccessToken.issue(
        session=session, at=at, lifetimes=replace(installed_lifetimes(), access=length)
    )
    return Started(impersonation, str(access))


def end_in_tenant(*, tenant_id: UUID, impersonation_id: UUID, by: UUID, at: datetime) -> None:
    """For the tenant's administrators. Raises ImpersonationNotFoundError: none that is going on."""
    selectors.require_open(
        selectors.list_of_tenant(tenant_id=tenant_id), impersonation_id=impersonation_id
    )
    _end(impersonation_id, by=by, at=at)


def end_own(*, impersonation_id: UUID, by: UUID, at: datetime) -> None:
    """For whoever began it. Raises ImpersonationNotFoundError: none of theirs that is going on."""
    selectors.require_open(
        selectors.list_of_person(impersonator_id=by), impersonation_id=impersonation_id
    )
    _end(impersonation_id, by=by, at=at)


def close_ended(*, at: datetime) -> int:
    """Say of what has ended by itself that it has; returns how many. Stopped, it can be repeated."""
    with context.operator():
        ids = list(selectors.list_ended(at=at).values_list("id", flat=True)[:_BATCH])
    for impersonation_id in ids:
        try:
            _end(impersonation_id, by=None, at=at)
        except ImpersonationNotFoundError:
            continue  # somebody else did
    return len(ids)


def _require_free(*, by: UUID, at: datetime) -> None:
    running = Impersonation.objects.filter(impersonator_id=by, ended_at=None).first()
    if running is not None and not selectors.list_ended(at=at).filter(id=running.id).exists():
        raise ImpersonationRunningError(id=str(running.id))
    if running is not None:
        _end(running.id, by=None, at=at)


def _end(impersonation_id: UUID, *, by: UUID | None, at: datetime) -> None:
    with context.operator(), transaction.atomic():
        found = Impersonation.objects.select_for_update(no_key=True).filter(
            id=impersonation_id, ended_at=None
        ).first()  # fmt: skip
        if found is None:
            raise ImpersonationNotFoundError
        found.ended_at, found.ended_by = min(at, found.ends_at), by
        found.save(update_fields=["ended_at", "ended_by"])
        Session.objects.filter(impersonation=found, revoked_at=None).update(
            revoked_at=at, revoked_reason=SessionEnd.TERMINATED
        )
