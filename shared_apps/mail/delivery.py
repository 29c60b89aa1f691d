"""Mails sent: claim some with a lease, send each outside any transaction, say what became of it.

A process that dies between sending and saying so leaves its lease to run out; the mail is then sent
again under the same Message-ID. Lines (tenants) take turns, so that one with a million mails delays
another's by one.
"""

import logging
import smtplib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import connection

from shared_apps.core import context
from shared_apps.core.text import has_unusable_characters
from shared_apps.mail import sealing
from shared_apps.mail.choices import MailState
from shared_apps.mail.errors import MailNotConfiguredError
from shared_apps.mail.models import OutgoingMail

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=5)
MOST_ATTEMPTS: Final = 8
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_AT_ONCE = 20
_LONGEST_ERROR = 300
# What a later attempt may change: the connection, the server's mood (RFC 5321, 4yz).
_ERRORS = (smtplib.SMTPException, OSError)

# One of each line, the longest waiting first.
_CLAIM = """
    UPDATE mail_outgoingmail SET lease = %(lease)s, next_attempt_at = %(until)s, attempts = attempts + 1
    WHERE id IN (
        SELECT mail.id
        FROM (
            SELECT DISTINCT line FROM mail_outgoingmail
            WHERE state = 'WAITING' AND next_attempt_at <= %(at)s
        ) due
        CROSS JOIN LATERAL (
            SELECT id FROM mail_outgoingmail
            WHERE line = due.line AND state = 'WAITING' AND next_attempt_at <= %(at)s
            ORDER BY next_attempt_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
        ) mail
        LIMIT %(most)s
    )
    RETURNING id
"""


@dataclass(slots=True)
class Delivered:
    sent: int = 0
    failed: int = 0


def deliver_due(*, clock: Callable[[], datetime]) -> Delivered:
    """Send what is due until nothing is, or the server does not answer.

    Raises:
        MailNotConfiguredError: there is nowhere to send to; nothing was touched.
    """
    if not settings.EMAIL_URL:
        raise MailNotConfiguredError
    done = Delivered()
    lease = uuid.uuid4()
    with context.operator():
        while claimed := _claim(lease, clock()):
            sender = get_connection()
            try:
                for mail_id in claimed:
                    if not _deliver(mail_id, lease, sender, clock, done):
                        _release(lease, clock())
                        return done
            finally:
                sender.close()
    return done


def _claim(lease: UUID, at: datetime) -> list[UUID]:
    values: dict[str, Any] = {"lease": lease, "until": at + LEASE, "at": at, "most": _AT_ONCE}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        return [row[0] for row in cursor.fetchall()]


def _deliver(
    mail_id: UUID, lease: UUID, sender: Any, clock: Callable[[], datetime], done: Delivered
) -> bool:
    """False: the server cannot be reached, so the others need not be tried."""
    at = clock()
    own = OutgoingMail.objects.filter(id=mail_id, lease=lease, state=MailState.WAITING)
    # Anew: those before it may have taken long.
    if not own.update(next_attempt_at=at + LEASE):
        return True
    mail = own.first()
    if mail is None:
        return True
    if mail.good_until is not None and mail.good_until <= at:
        _finish(own, MailState.EXPIRED, at)
        return True
    try:
        message = _message(mail, sealing.opened(mail.body))
        sender.open()
        sender.send_messages([message])
    except sealing.TextUnreadableError:
        _finish(own, MailState.DEAD, at, "sealed with another SECRET_KEY")
    except _ERRORS as error:
        done.failed += 1
        _failed(own, mail, error, clock())
        return not _is_about_the_server(error)
    else:
        done.sent += 1
        _finish(own, MailState.SENT, clock())
    return True


def _message(mail: OutgoingMail, text: str) -> EmailMessage:
    return EmailMessage(
        subject=mail.subject, body=text, to=[mail.recipient],
        headers={"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated"},
    )  # fmt: skip


def _finish(own: Any, state: MailState, at: datetime, error: str = "") -> None:
    changes: dict[str, Any] = {"state": state, "finished_at": at, "lease": None}
    if state != MailState.DEAD:
        changes["body"] = ""
    own.update(**changes, last_error=error)


def _failed(own: Any, mail: OutgoingMail, error: Exception, at: datetime) -> None:
    reason = _described(error)
    # Neither recipient nor text: a log outlives both.
    logger.warning("A mail could not be sent: %s (%s)", mail.id, type(error).__name__)
    if _is_final(error) or mail.attempts >= MOST_ATTEMPTS:
        _finish(own, MailState.DEAD, at, reason)
        return
    pause = min(_FIRST_PAUSE * 2 ** (mail.attempts - 1), _LONGEST_PAUSE)
    own.update(lease=None, next_attempt_at=at + pause, last_error=reason)


def _release(lease: UUID, at: datetime) -> None:
    """Those that were claimed and not tried: nothing counts against them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mail_outgoingmail SET lease = NULL, next_attempt_at = %s, attempts = attempts - 1"
            " WHERE lease = %s AND state = 'WAITING'",
            [at + _FIRST_PAUSE, lease],
        )


def _is_final(error: Exception) -> bool:
    codes = [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    is_of_server = isinstance(error, smtplib.SMTPAuthenticationError)
    return bool(codes) and not is_of_server and all(500 <= code < 600 for code in codes)


def _is_about_the_server(error: Exception) -> bool:
    """Not about this mail: the next one would meet the same."""
    about_mail = (
        smtplib.SMTPRecipientsRefused,
        smtplib.SMTPSenderRefused,
        smtplib.SMTPDataError,
        smtplib.SMTPNotSupportedError,
    )
    return not isinstance(error, about_mail)


def _described(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    printable = "".join("?" if has_unusable_characters(sign) else sign for sign in text)
    return printable[:_LONGEST_ERROR]
