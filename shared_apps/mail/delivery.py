"""Mails sent: each outside any transaction, and then what became of it.

A process that dies between sending and saying so leaves its lease to run out; the mail is then sent
again under the same Message-ID, by which mail servers recognise the second copy.
"""

import logging
import smtplib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.core.mail import EmailMessage
from django.db.models import QuerySet

from shared_apps.core import context
from shared_apps.core.text import has_unusable_characters
from shared_apps.mail import claiming, sealing
from shared_apps.mail.choices import MailState
from shared_apps.mail.claiming import Claimed, Lines
from shared_apps.mail.errors import MailNotConfiguredError
from shared_apps.mail.models import OutgoingMail
from shared_apps.mail.servers import MailServers, Server, ServerDownError

logger = logging.getLogger(__name__)

MOST_ATTEMPTS: Final = 8
BATCH: Final = 20
GIVEN_UP_AFTER: Final = timedelta(days=3)
"""How long a mail waits for a server that does not answer."""
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_LONGEST_ERROR = 300
# What a later attempt may change: the connection, the server's mood (RFC 5321, 4yz).
_ERRORS = (smtplib.SMTPException, OSError)
# Another mail may fare better.
_ABOUT_THE_MAIL = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Delivered:
    sent: int = 0
    failed: int = 0


def deliver_due(*, clock: Clock) -> Delivered:
    """Send what is due until nothing is, or no server answers.

    Raises:
        MailNotConfiguredError: there is nowhere to send to; nothing was touched.
    """
    with context.operator():
        run = _Run(clock, MailServers.read())
        while run.send_batch(BATCH):
            pass
    return run.done


def deliver_batch(*, clock: Clock, batch_size: int = 10) -> int:
    """Send at most so many of those that are due; how many were tried.

    Raises:
        MailNotConfiguredError: there is nowhere to send to; nothing was touched.
    """
    with context.operator():
        return _Run(clock, MailServers.read()).send_batch(batch_size)


@dataclass(slots=True)
class _Run:
    clock: Clock
    servers: MailServers
    done: Delivered = field(default_factory=Delivered)
    lease: UUID = field(default_factory=uuid.uuid4)
    lines: Lines = field(init=False)
    """Without those whose server has failed in this run: the next one asks it again."""
    last_line: UUID | None = None

    def __post_init__(self) -> None:
        if not self.servers.are_any:
            raise MailNotConfiguredError
        self.lines = Lines() if self.servers.has_default else Lines(only=self.servers.own_lines)

    def send_batch(self, most: int) -> int:
        claimed = self._claim(most)
        if not claimed and self.last_line is not None:
            self.last_line = None
            claimed = self._claim(most)
        if not claimed:
            return 0
        self.last_line = max(found.line for found in claimed)
        with self.servers.connected():
            for found in claimed:
                # Those whose server has failed meanwhile are given back already.
                if found.line in self.lines:
                    self._send(found)
        return len(claimed)

    def _claim(self, most: int) -> list[Claimed]:
        return claiming.claim(
            lease=self.lease, at=self.clock(), most=most, lines=self.lines, after=self.last_line
        )

    def _send(self, claimed: Claimed) -> None:
        at = self.clock()
        own = OutgoingMail.objects.filter(
            id=claimed.mail_id, lease=self.lease, state=MailState.PROCESSING
        )
        # Anew: those before it may have taken long. If they took too long it is somebody else's.
        if not own.update(next_attempt_at=at + claiming.LEASE):
            return
        mail = own.get()
        if mail.good_until is not None and mail.good_until <= at:
            _finish(own, MailState.EXPIRED, at)
        elif mail.attempts > MOST_ATTEMPTS:
            _finish(own, MailState.FAILED, at, "whoever sent it died of it every time")
        else:
            self._hand_over(own, mail, claimed.line)

    def _hand_over(self, own: QuerySet[OutgoingMail], mail: OutgoingMail, line: UUID) -> None:
        try:
            server = self.servers.of(line)
            server.send(_message(mail, sealing.opened(mail.body), server))
        except sealing.TextUnreadableError:
            _finish(own, MailState.FAILED, self.clock(), "sealed with another SECRET_KEY")
        except ServerDownError as error:
            self._log(mail, error)
            if self.clock() - mail.created_at >= GIVEN_UP_AFTER:
                _finish(own, MailState.FAILED, self.clock(), _described(error))
            self._leave_out(line, error)
        except _ERRORS as error:
            self._log(mail, error)
            _refused(own, mail, error, self.clock())
            if not isinstance(error, _ABOUT_THE_MAIL):
                self._leave_out(line, error)
        else:
            self.done.sent += 1
            _finish(own, MailState.SENT, self.clock())

    def _log(self, mail: OutgoingMail, error: Exception) -> None:
        self.done.failed += 1
        # Neither recipient nor text: a log outlives both.
        logger.warning("A mail could not be sent: %s (%s)", mail.id, type(error).__name__)

    def _leave_out(self, line: UUID, error: Exception) -> None:
        """The next mail would meet the same: those that wait for this server wait on."""
        if self.servers.is_own(line):
            of_server = Lines(only=[line])
            self.lines = replace(self.lines, without=[*self.lines.without, line])
        else:
            of_server = Lines(without=self.servers.own_lines)
            self.lines = replace(self.lines, only=self.servers.own_lines)
        claiming.give_back(
            lease=self.lease,
            lines=of_server,
            until=self.clock() + _FIRST_PAUSE,
            error=_described(error),
        )


def _message(mail: OutgoingMail, text: str, server: Server) -> EmailMessage:
    return EmailMessage(
        subject=mail.subject, body=text, from_email=server.sender, to=[mail.recipient],
        headers={"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated"},
    )  # fmt: skip


def _finish(own: QuerySet[OutgoingMail], state: MailState, at: datetime, error: str = "") -> None:
    # A failed one keeps its text: it can be sent again.
    text = {} if state == MailState.FAILED else {"body": ""}
    own.update(state=state, finished_at=at, lease=None, last_error=error, **text)


def _refused(
    own: QuerySet[OutgoingMail], mail: OutgoingMail, error: Exception, at: datetime
) -> None:
    reason = _described(error)
    if _is_final(error) or mail.attempts >= MOST_ATTEMPTS:
        _finish(own, MailState.FAILED, at, reason)
        return
    pause = min(_FIRST_PAUSE * 2 ** (mail.attempts - 1), _LONGEST_PAUSE)
    own.update(state=MailState.PENDING, lease=None, next_attempt_at=at + pause, last_error=reason)


def _is_final(error: Exception) -> bool:
    codes = [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    return bool(codes) and all(500 <= code < 600 for code in codes)


def _described(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    printable = "".join("?" if has_unusable_characters(sign) else sign for sign in text)
    return printable[:_LONGEST_ERROR]
