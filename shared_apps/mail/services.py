"""Changes of the outbox. All in the operator's context, whoever asks."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from shared_apps.core import context
from shared_apps.core.queue import hint
from shared_apps.mail import sealing, texts
from shared_apps.mail.choices import OPEN, MailKind, MailPriority, MailState
from shared_apps.mail.errors import MailNotFailedError, MailNotFoundError
from shared_apps.mail.models import OutgoingMail

DELIVER_TASK: Final = "mail.deliver_due"
KEPT_FOR = timedelta(days=30)
MOST_ON_REQUEST: Final = 3
PER: Final = timedelta(hours=1)
_LINE_OF_INSTALLATION = UUID(int=0)
_BATCH = 1000


def post_mail(
    *, tenant_id: UUID | None, kind: MailKind, recipient: str, variables: Mapping[str, str],
    at: datetime, good_until: datetime | None = None, priority: MailPriority = MailPriority.NORMAL,
) -> OutgoingMail:  # fmt: skip
    """Have a mail sent once the caller's transaction is committed; without the commit, never.

    `recipient` is a valid address; texts may name it beside the variables.
    """
    text = texts.render(kind, {**variables, "recipient": recipient})
    id = uuid.uuid4()
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    with context.operator(), transaction.atomic():
        mail = OutgoingMail.objects.create(
            id=id, tenant_id=tenant_id, line=tenant_id or _LINE_OF_INSTALLATION, kind=kind,
            recipient=recipient, subject=text.subject, body=sealing.seal(text.body),
            message_id=f"<{id}@{domain}>", priority=priority, created_at=at, good_until=good_until,
            next_attempt_at=at,
        )  # fmt: skip
        # Beat sends the same task every minute.
        hint(DELIVER_TASK)
    return mail


def may_mail(*, tenant_id: UUID | None, kind: MailKind, recipient: str, at: datetime) -> bool:
    """Whether one more mail of a kind that anybody can ask for may go to an address: `MOST_ON_REQUEST`
    within `PER`. Until the caller's transaction ends, others who ask the same wait."""
    with context.operator(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"mail:{tenant_id}:{kind}:{recipient}"],
        )
        mails = OutgoingMail.objects.filter(tenant=tenant_id, kind=kind, recipient=recipient)
        return mails.filter(created_at__gt=at - PER).count() < MOST_ON_REQUEST


def retry_mail(*, mail_id: UUID, at: datetime) -> OutgoingMail:
    """Have a mail that could not be sent tried again.

    Raises:
        MailNotFoundError, MailNotFailedError.
    """
    with context.operator(), transaction.atomic():
        mail = OutgoingMail.objects.select_for_update().filter(id=mail_id).first()
        if mail is None:
            raise MailNotFoundError(id=str(mail_id))
        if mail.state != MailState.FAILED or (mail.good_until and mail.good_until <= at):
            raise MailNotFailedError(state=mail.state)
        mail.state, mail.attempts, mail.next_attempt_at = MailState.PENDING, 0, at
        mail.finished_at, mail.lease = None, None
        mail.save()
        hint(DELIVER_TASK)
    return mail


def delete_old_mail(*, at: datetime) -> int:
    """Take away texts that are of no use any more, and mails that ended long ago; how many of these.

    In small transactions: it can be stopped and repeated at any time.
    """
    deleted = 0
    useless = Q(good_until__lte=at, state__in=[*OPEN, MailState.FAILED])
    with context.operator():
        OutgoingMail.objects.filter(useless).update(
            state=MailState.EXPIRED, body="", finished_at=at, lease=None
        )
        old = OutgoingMail.objects.filter(finished_at__lt=at - KEPT_FOR)
        while batch := list(old.values_list("id", flat=True)[:_BATCH]):
            deleted += OutgoingMail.objects.filter(id__in=batch).delete()[0]
    return deleted


def count_texts_of_former_keys() -> int:
    """Texts of mails that SECRET_KEY alone does not open: those that wait, which are few."""
    with context.operator():
        bodies = OutgoingMail.objects.exclude(body="").values_list("body", flat=True)
        return sum(sealing.is_sealed_with_former(body) for body in bodies.iterator(_BATCH))


def reseal_texts() -> int:
    """Seal what waits with SECRET_KEY; how many were sealed with a fallback.

    One that no key opens stays as it is: it fails when it is sent, and is listed then.
    """
    done = 0
    with context.operator():
        ids = list(OutgoingMail.objects.exclude(body="").values_list("id", flat=True))
        for id in ids:
            with transaction.atomic():
                mail = OutgoingMail.objects.select_for_update().filter(id=id).first()
                if mail is None or not mail.body or not sealing.is_sealed_with_former(mail.body):
                    continue
                try:
                    mail.body = sealing.seal(sealing.opened(mail.body))
                except sealing.TextUnreadableError:
                    continue
                mail.save(update_fields=["body"])
                done += 1
    return done
