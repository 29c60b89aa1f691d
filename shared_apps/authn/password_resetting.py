"""A password set anew by whoever reads the person's mail. In the operator's context."""

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import errors as accounts_errors
from shared_apps.accounts import new_passwords
from shared_apps.accounts import selectors as people
from shared_apps.accounts.emails import validated_email
from shared_apps.authn import notices, tickets
from shared_apps.authn.backends import backend_of_person
from shared_apps.authn.backends.database import DatabaseBackend
from shared_apps.authn.choices import TicketPurpose
from shared_apps.authn.errors import (
    InvalidTicketError,
    NoMembershipError,
    OwnPasswordError,
    PasswordChangeNotSupportedError,
    PolicyViolationError,
)
from shared_apps.authn.services.ending import end_all_sessions
from shared_apps.core import attribution, context

if TYPE_CHECKING:
    from shared_apps.accounts.models import User


def mail_reset(*, tenant_id: UUID | None, email: str, at: datetime) -> None:
    """Mail a link, if there is somebody here who can use it. Nobody is told whether there is."""
    try:
        user = people.find_user_by_email(email=validated_email(email))
    except accounts_errors.EmailError:
        return
    if user is None or not _can_reset(user, tenant_id):
        return
    with context.operator(), _about(user), transaction.atomic():
        notices.post_reset(user=user, tenant_id=tenant_id, at=at)


def demand_reset(*, tenant_id: UUID, user_id: UUID, by: UUID | None, at: datetime) -> None:
    """An administrator has one of their people choose a new password: a link is mailed to the person.

    The present password opens nothing any more and sign-ins end, if the account is this tenant's alone;
    an account that others gave something too is not one tenant's to close.

    Raises:
        OwnPasswordError: it is their own; they would be signed out, and in again only if the mail arrives.
        PersonNotFoundError: nobody of this tenant.
        PasswordChangeNotSupportedError: their password is not kept here.
    """
    if user_id == by:
        raise OwnPasswordError
    member = people.get_member(tenant_id=tenant_id, user_id=user_id)
    user = member.user
    if not _can_reset(user, tenant_id):
        raise PasswordChangeNotSupportedError
    with context.operator(), transaction.atomic():
        if people.is_of_tenant_alone(user_id=user_id, tenant_id=tenant_id):
            new_passwords.demand_change(user_id=user_id)
            end_all_sessions(user_id=user_id, keep=None, at=at)
        notices.post_reset(user=user, tenant_id=tenant_id, at=at)


def reset_password(*, tenant_id: UUID | None, token: str, new_password: str, at: datetime) -> None:
    """Set a new password by the link of a mail, and end all of the person's sessions everywhere.

    Raises:
        InvalidTicketError: the link is not good, here or any more.
        PolicyViolationError: it still is; nothing was changed.
    """
    ticket = tickets.find(
        token=token, purpose=TicketPurpose.PASSWORD_RESET, tenant_id=tenant_id, at=at
    )
    user = ticket.user
    assert user is not None  # a constraint of the table
    if not _can_reset(user, tenant_id):
        raise InvalidTicketError
    try:
        new = new_passwords.prepare_password(user=user, new_password=new_password)
    except accounts_errors.PasswordRejectedError as error:
        raise PolicyViolationError(reason=error.details["password"]) from None
    with context.operator(), _about(user), transaction.atomic():
        tickets.use_up(ticket, at=at)
        if not new_passwords.set_password(new=new, at=at):
            raise InvalidTicketError
        end_all_sessions(user_id=user.pk, keep=None, at=at)
        notices.post_changed(user=user, tenant_id=tenant_id, at=at)


def _can_reset(user: "User", tenant_id: UUID | None) -> bool:
    """Whether the password that signs this person in here is one of ours."""
    if not user.is_active:
        return False
    try:
        tickets.require_place(user=user, tenant_id=tenant_id)
    except NoMembershipError:
        return False
    return isinstance(backend_of_person(user, tenant_id=tenant_id), DatabaseBackend)


def _about(user: "User") -> AbstractContextManager[None]:
    """What follows is put down to whom it is about: they read the mail."""
    return attribution.acting(replace(attribution.current(), user_id=user.pk))
