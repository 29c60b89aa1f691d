"""Reads of impersonations. All in the operator's context, whoever asks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from shared_apps.accounts import selectors as people
from shared_apps.accounts.choices import Permission, Role
from shared_apps.authn.errors import ImpersonationNotFoundError
from shared_apps.authn.models import Impersonation
from shared_apps.core import context
from shared_apps.tenants.choices import TenantState

FEATURE = "support_access"
BACKEND = "impersonation"
"""What such a session has in place of the backend that proves people."""


@dataclass(frozen=True)
class Impersonator:
    """Who is really at work in a sign-in, and how far they may go."""

    id: UUID
    email: str
    reason: str
    ends_at: datetime
    may_write: bool


def find_impersonators(*, session_ids: Collection[UUID], at: datetime) -> dict[UUID, Impersonator]:
    """Of these sessions, those whose impersonation still rests on everything that it began with."""
    fields = ("session_id", "impersonator_id", "email", "reason", "ends_at", "may_write")
    with context.operator():
        live = _live(at).filter(session_id__in=session_ids).values_list(*fields)
        return {session_id: Impersonator(*of_it) for session_id, *of_it in live}


def list_of_tenant(*, tenant_id: UUID) -> QuerySet[Impersonation]:
    """Newest first. Lazy: evaluate it in the operator's context."""
    found = Impersonation.objects.filter(tenant_id=tenant_id)
    return found.select_related("user", "tenant").order_by("-started_at", "id")


def list_of_person(*, impersonator_id: UUID) -> QuerySet[Impersonation]:
    """What somebody of support did, newest first. Lazy: evaluate it in the operator's context."""
    found = Impersonation.objects.filter(impersonator_id=impersonator_id)
    return found.select_related("user", "tenant").order_by("-started_at", "id")


def require_open(found: QuerySet[Impersonation], *, impersonation_id: UUID) -> None:
    """Raises ImpersonationNotFoundError: not among these, or it has ended."""
    with context.operator():
        if not found.filter(id=impersonation_id, ended_at=None).exists():
            raise ImpersonationNotFoundError


def list_ended(*, at: datetime) -> QuerySet[Impersonation]:
    """Those that have ended and of which nothing says so yet. Lazy."""
    live = _live(at).filter(
        ~Q(session__membership__role=Role.ADMIN),
        ~Q(session__membership__custom_role__permissions__contains=[Permission.ADMIN]),
        session__revoked_at=None, session__membership__is_active=True, user__is_active=True,
    )  # fmt: skip
    return Impersonation.objects.filter(ended_at=None).exclude(pk__in=live.values("pk"))


def _live(at: datetime) -> "QuerySet[Impersonation]":
    granted = people.support_grants().filter(
        user_id=OuterRef("impersonator_id"), tenant_id=OuterRef("tenant_id")
    )
    return Impersonation.objects.filter(
        Exists(granted), ended_at=None, ends_at__gt=at, tenant__state=TenantState.ACTIVE,
        **{f"tenant__features__{FEATURE}": True},
    ).annotate(email=granted.values("user__email")[:1])  # fmt: skip
