"""Whether mail can be sent, for operators who set it up. In the operator's context."""

import smtplib
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email

from shared_apps.core import context
from shared_apps.mail.errors import MailNotConfiguredError, MailNotSentError
from shared_apps.mail.servers import MailServers, ServerDownError

_INSTALLATION = UUID(int=0)


def send_trial(*, tenant_id: UUID | None, to: str) -> str:
    """Send one mail now, past the outbox; whom it is from.

    Raises:
        MailNotConfiguredError: there is no server for it.
        MailNotSentError: the address is none, or the server did not take it; with its answer.
    """
    try:
        validate_email(to)
    except ValidationError:
        raise MailNotSentError(f"{to!r} is no address.") from None
    line = tenant_id or _INSTALLATION
    with context.operator():
        servers = MailServers.read()
        if not (servers.has_default or servers.is_own(line)):
            raise MailNotConfiguredError
        with servers.connected():
            try:
                server = servers.of(line)
                server.send(_message(server.sender, to))
            except (ServerDownError, OSError, smtplib.SMTPException) as error:
                raise MailNotSentError(f"The server did not take it: {error}") from None
            return server.sender


def _message(sender: str, to: str) -> EmailMessage:
    return EmailMessage(
        subject="A trial", body=f"Mail of {settings.PUBLIC_URL} leaves by this server.\n",
        from_email=sender, to=[to], headers={"Auto-Submitted": "auto-generated"},
    )  # fmt: skip
