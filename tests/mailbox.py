"""A mail server that takes what it is sent, or does what a test wants instead."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from django.test import override_settings

from scripts.stack.ports import free_port

Answer = Callable[[EmailMessage], str]
OK = "250 taken"


@dataclass
class Mailbox:
    """`answer` decides what the server says of each mail; what it took is in `mails`."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    answer: Answer = lambda mail: OK
    refused: set[str] = field(default_factory=set)
    """Recipients that it does not know."""

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        said = self.answer(mail)
        if said == OK:
            self.mails.append(mail)
        return said

    def texts(self) -> list[str]:
        return [mail.get_content() for mail in self.mails]


@contextmanager
def guarded_mailbox(context: ssl.SSLContext, *, user: str, password: str) -> Iterator[Mailbox]:
    """Takes mail over STARTTLS only, from who signs in."""
    mailbox = Mailbox(port=free_port())

    def authenticate(server: Any, session: Any, envelope: Any, how: str, given: Any) -> AuthResult:
        known = LoginPassword(user.encode(), password.encode())
        return AuthResult(success=given == known, handled=False)

    controller = Controller(
        mailbox, hostname="127.0.0.1", port=mailbox.port, tls_context=context, require_starttls=True,
        authenticator=authenticate, auth_required=True,
    )  # fmt: skip
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@contextmanager
def running_mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox(port=free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        with mailed_by(mailbox.port):
            yield mailbox
    finally:
        controller.stop()


@contextmanager
def mailed_by(port: int) -> Iterator[None]:
    with override_settings(
        EMAIL_URL=f"smtp://127.0.0.1:{port}", EMAIL_HOST="127.0.0.1", EMAIL_PORT=port,
        # pytest-django puts its own in its place.
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
    ):  # fmt: skip
        yield
