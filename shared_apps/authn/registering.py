"""People who register themselves, where a tenant lets them. In the operator's context.

The address is proven by mail before there is anything of the person, and whether it was known already
is told by mail alone.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import errors as accounts_errors
from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.accounts.emails import validated_email
from shared_apps.authn import notices, tickets
from shared_apps.authn.backends import backend_for
from shared_apps.authn.backends.database import DatabaseBackend
from shared_apps.authn.choices import TicketPurpose
from shared_apps.authn.errors import (
    InvalidTicketError,
    PolicyViolationError,
    RegistrationClosedError,
)
from shared_apps.authn.models import RegistrationPolicy
from shared_apps.core import context
from shared_apps.core.errors import AppError

ANY_DOMAIN: Final = "*"
ROLE: Final = Role.VIEWER
"""Whoever let themselves in reads; more is an administrator's to give."""


def list_email_domains(*, tenant_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Of those of these tenants that let anybody register."""
    with context.operator():
        policies = RegistrationPolicy.objects.filter(tenant__in=tenant_ids)
        return dict(policies.values_list("tenant_id", "email_domains"))


def allow(*, tenant_id: UUID, email_domains: Sequence[str]) -> None:
    """Let people with addresses of these domains register; of none: nobody."""
    with context.operator(), transaction.atomic():
        if list_email_domains(tenant_ids=[tenant_id]).get(tenant_id, []) == list(email_domains):
            return
        if email_domains:
            RegistrationPolicy.objects.update_or_create(
                tenant_id=tenant_id, defaults={"email_domains": list(email_domains)}
            )
        else:
            RegistrationPolicy.objects.filter(tenant=tenant_id).delete()


def require_open(*, tenant_id: UUID | None, email: str | None = None) -> None:
    """Raises RegistrationClosedError: people are invited, or a directory says who there is, or the
    tenant lets in addresses of other domains than this one's."""
    if tenant_id is None or not isinstance(backend_for(tenant_id), DatabaseBackend):
        raise RegistrationClosedError
    domains = list_email_domains(tenant_ids=[tenant_id]).get(tenant_id)
    if not domains:
        raise RegistrationClosedError
    if email is not None and not {ANY_DOMAIN, email.rpartition("@")[2]} & {*domains}:
        raise RegistrationClosedError


def mail_confirmation(*, tenant_id: UUID, email: str, at: datetime) -> None:
    """Raises RegistrationClosedError, EmailError."""
    address = validated_email(email)
    require_open(tenant_id=tenant_id, email=address)
    user = people.find_user_by_email(email=address)
    is_member = user is not None and people.find_member(tenant_id=tenant_id, user_id=user.pk)
    with context.operator(), transaction.atomic():
        if is_member:
            notices.post_known(email=address, tenant_id=tenant_id, at=at)
        else:
            notices.post_registration(email=address, tenant_id=tenant_id, at=at)


def confirm(*, tenant_id: UUID, token: str, name: str, password: str, at: datetime) -> bool:
    """Let the owner of an address in; whether an account was made.

    Somebody who has an account elsewhere gets a role here and keeps the password that they have.

    Raises:
        RegistrationClosedError: since the mail was sent.
        InvalidTicketError: the link is not good, here or any more.
        PolicyViolationError: it still is; nothing was changed.
    """
    require_open(tenant_id=tenant_id)
    ticket = tickets.find(
        token=token, purpose=TicketPurpose.REGISTRATION, tenant_id=tenant_id, at=at
    )
    require_open(tenant_id=tenant_id, email=ticket.email)
    tickets.use_up(ticket, at=at)
    try:
        return _let_in(tenant_id=tenant_id, email=ticket.email, name=name, password=password, at=at)
    except AppError:
        tickets.give_back(ticket, at=at)
        raise


def _let_in(*, tenant_id: UUID, email: str, name: str, password: str, at: datetime) -> bool:
    user = people.find_user_by_email(email=email)
    try:
        if user is None:
            accounts.create_person(
                tenant_id=tenant_id, email=email, name=name, role=ROLE, password=password,
                by=None, at=at,
            )  # fmt: skip
            return True
        if not user.is_active:
            raise InvalidTicketError
        accounts.grant_role(tenant_id=tenant_id, user_id=user.pk, role=ROLE, by=None, at=at)
    except accounts_errors.RoleExistsError:
        pass  # they were let in meanwhile
    except accounts_errors.PasswordRejectedError as error:
        raise PolicyViolationError(reason=error.details["password"]) from None
    return False
