"""Mails about people's passwords and accounts."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from shared_apps.authn import links, tickets
from shared_apps.authn.choices import TicketPurpose
from shared_apps.mail import services as mail
from shared_apps.mail.choices import MailKind, MailPriority

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

logger = logging.getLogger(__name__)


def post_changed(*, user: "User", tenant_id: UUID | None, at: datetime) -> None:
    """Tell the owner, who may not have done it. Who has no address is not told."""
    if not user.email:
        return
    mail.post_mail(
        tenant_id=tenant_id, kind=MailKind.PASSWORD_CHANGED, recipient=user.email, at=at,
        variables={
            "name": links.name_of(tenant_id),
            "link": links.link(tenant_id=tenant_id, path=links.RESET_PATH),
        },
    )  # fmt: skip


def post_reset(*, user: "User", tenant_id: UUID | None, at: datetime) -> None:
    """A link by which a new password can be set, once. Not sent if there were too many."""
    if not _may_mail(MailKind.PASSWORD_RESET, tenant_id, user.email, at):
        return
    ticket = tickets.issue(
        purpose=TicketPurpose.PASSWORD_RESET, tenant_id=tenant_id, user=user, at=at
    )
    minutes = int((ticket.expires_at - at).total_seconds() // 60)
    mail.post_mail(
        tenant_id=tenant_id, kind=MailKind.PASSWORD_RESET, recipient=user.email, at=at,
        priority=MailPriority.HIGH, good_until=ticket.expires_at,
        variables={
            "name": links.name_of(tenant_id),
            "link": links.link(tenant_id=tenant_id, path=links.RESET_PATH, token=ticket.token),
            "minutes": str(minutes),
        },
    )  # fmt: skip


def post_registration(*, email: str, tenant_id: UUID, at: datetime) -> None:
    """A link that proves the address, once. Not sent if there were too many."""
    if not _may_mail(MailKind.REGISTRATION, tenant_id, email, at):
        return
    ticket = tickets.issue(
        purpose=TicketPurpose.REGISTRATION, tenant_id=tenant_id, email=email, at=at
    )
    hours = int((ticket.expires_at - at).total_seconds() // 3600)
    mail.post_mail(
        tenant_id=tenant_id, kind=MailKind.REGISTRATION, recipient=email, at=at,
        priority=MailPriority.HIGH, good_until=ticket.expires_at,
        variables={
            "name": links.name_of(tenant_id),
            "link": links.link(tenant_id=tenant_id, path=links.REGISTRATION_PATH, token=ticket.token),
            "hours": str(hours),
        },
    )  # fmt: skip


def post_known(*, email: str, tenant_id: UUID, at: datetime) -> None:
    """Whoever registers and is a member already learns it by mail alone. Not sent if there were too many."""
    if not _may_mail(MailKind.REGISTRATION_KNOWN, tenant_id, email, at):
        return
    mail.post_mail(
        tenant_id=tenant_id, kind=MailKind.REGISTRATION_KNOWN, recipient=email, at=at,
        variables={
            "name": links.name_of(tenant_id),
            "link": links.link(tenant_id=tenant_id, path=links.RESET_PATH),
        },
    )  # fmt: skip


def _may_mail(kind: MailKind, tenant_id: UUID | None, recipient: str, at: datetime) -> bool:
    allowed = mail.may_mail(tenant_id=tenant_id, kind=kind, recipient=recipient, at=at)
    if not allowed:
        # Without the address: a log outlives the person's account.
        logger.warning("A mail that was asked for is one too many: %s", kind)
    return allowed
