"""Tickets: what lets somebody do one thing, once, without being signed in. In the operator's context.

A ticket that stands for a person is bound to their present password and address: whatever changes one of
these, also past this module, makes it worthless.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import selectors as people
from shared_apps.authn.choices import TicketPurpose
from shared_apps.authn.errors import InvalidTicketError, NoMembershipError, PasswordDueError
from shared_apps.authn.models import Ticket
from shared_apps.core import context

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

LIFETIMES: Final = {
    TicketPurpose.PASSWORD_CHANGE: timedelta(minutes=5),
    TicketPurpose.PASSWORD_RESET: timedelta(hours=1),
    TicketPurpose.REGISTRATION: timedelta(hours=24),
}
_BYTES = 32
_LONGEST = 100
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Issued:
    token: str
    """Kept nowhere; whoever has it may use it."""
    expires_at: datetime


def issue(
    *, purpose: TicketPurpose, tenant_id: UUID | None, at: datetime,
    user: "User | None" = None, email: str = "",
) -> Issued:  # fmt: skip
    token = secrets.token_urlsafe(_BYTES)
    expires_at = at + LIFETIMES[purpose]
    with context.operator():
        Ticket.objects.create(
            hash=_fingerprint(token), purpose=purpose, tenant_id=tenant_id, user=user, email=email,
            bound_to=_binding(user) if user else "", issued_at=at, expires_at=expires_at,
        )  # fmt: skip
    return Issued(token=token, expires_at=expires_at)


@contextmanager
def issued_where_due(*, tenant_id: UUID | None, at: datetime) -> Iterator[None]:
    """Hand whoever must change their password the ticket for it, in the error's details.

    Raises:
        NoMembershipError: proven, but there is no role here.
    """
    try:
        yield
    except PasswordDueError as due:
        if due.user is not None:
            require_place(user=due.user, tenant_id=tenant_id)
            ticket = issue(
                purpose=TicketPurpose.PASSWORD_CHANGE, tenant_id=tenant_id, user=due.user, at=at
            )
            due.details["ticket"] = ticket.token
            due.details["expires_in"] = int((ticket.expires_at - at).total_seconds())
        raise


def require_place(*, user: "User", tenant_id: UUID | None) -> None:
    """Raises NoMembershipError: this person has no role at the tenant, or at the public host."""
    if tenant_id is None:
        is_here = bool(people.list_installation_roles(user=user))
    else:
        is_here = people.find_member(tenant_id=tenant_id, user_id=user.pk) is not None
    if not is_here:
        raise NoMembershipError


def find(*, token: str, purpose: TicketPurpose, tenant_id: UUID | None, at: datetime) -> Ticket:
    """One that is good now, at this host; it is not used up.

    Raises:
        InvalidTicketError: it is not.
    """
    if not 1 <= len(token) <= _LONGEST or not token.isascii():
        raise InvalidTicketError
    with context.operator():
        found = Ticket.objects.select_related("user").filter(
            hash=_fingerprint(token), purpose=purpose, used_at=None, expires_at__gt=at
        )
        ticket = found.first()
    if ticket is None or ticket.tenant_id != tenant_id:
        raise InvalidTicketError
    user = ticket.user
    if user is not None and not (user.is_active and ticket.bound_to == _binding(user)):
        raise InvalidTicketError
    return ticket


def use_up(ticket: Ticket, *, at: datetime) -> None:
    """Of concurrent uses exactly one succeeds. Raises InvalidTicketError."""
    with context.operator():
        unused = Ticket.objects.filter(id=ticket.id, used_at=None)
        if not unused.update(used_at=at):
            raise InvalidTicketError


def give_back(ticket: Ticket, *, at: datetime) -> None:
    """For the same purpose, until the same time: what it was used up for could not be done."""
    with context.operator():
        Ticket.objects.filter(id=ticket.id, used_at=at).update(used_at=None)


def delete_expired(*, at: datetime) -> int:
    """In small transactions: it can be stopped and repeated at any time."""
    deleted = 0
    expired = Ticket.objects.filter(expires_at__lt=at)
    with context.operator():
        while batch := list(expired.values_list("id", flat=True)[:_BATCH]):
            with transaction.atomic():
                deleted += Ticket.objects.filter(id__in=batch).delete()[0]
    return deleted


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _binding(user: "User") -> str:
    return hashlib.sha256(f"{user.pk}\0{user.email}\0{user.password}".encode()).hexdigest()
