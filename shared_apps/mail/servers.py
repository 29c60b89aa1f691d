"""The servers that mail leaves by: the installation's, and those of tenants that have their own."""

import smtplib
import socket
import ssl
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

from shared_apps.core import egress
from shared_apps.core.sealing import SealBrokenError
from shared_apps.mail import sealing
from shared_apps.mail.choices import MailSecurity
from shared_apps.mail.models import TenantMailServer


class ServerDownError(Exception):
    """No mail can be handed to it now, whatever it is."""


@dataclass(slots=True)
class Server:
    backend: BaseEmailBackend
    sender: str

    def send(self, message: EmailMessage) -> None:
        """Over one connection for as long as it stays open.

        Raises:
            ServerDownError: nothing was handed over.
            OSError, smtplib.SMTPException: it may have been.
        """
        try:
            self.backend.open()
        except (OSError, smtplib.SMTPException) as error:
            raise ServerDownError(f"{type(error).__name__}: {error}") from error
        self.backend.send_messages([message])


@dataclass(slots=True)
class MailServers:
    """In the operator's context, for one thread."""

    own_lines: Set[UUID]
    """Tenants that have a server of their own."""
    _open: dict[UUID | None, Server] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "MailServers":
        return cls(frozenset(TenantMailServer.objects.values_list("tenant_id", flat=True)))

    @property
    def has_default(self) -> bool:
        return bool(settings.EMAIL_URL)

    @property
    def are_any(self) -> bool:
        return self.has_default or bool(self.own_lines)

    def is_own(self, line: UUID) -> bool:
        return line in self.own_lines

    def of(self, line: UUID) -> Server:
        """Raises ServerDownError: its password cannot be opened, or it has been taken away meanwhile."""
        key = line if self.is_own(line) else None
        if key not in self._open:
            self._open[key] = _default() if key is None else _of_tenant(key)
        return self._open[key]

    @contextmanager
    def connected(self) -> Iterator[None]:
        """At its end all connections are closed."""
        try:
            yield
        finally:
            for server in self._open.values():
                _close(server.backend)
            self._open.clear()


def _default() -> Server:
    return Server(get_connection(), settings.DEFAULT_FROM_EMAIL)


def _of_tenant(tenant_id: UUID) -> Server:
    row = TenantMailServer.objects.filter(tenant_id=tenant_id).first()
    if row is None:
        # The next run asks anew where this tenant's mails leave.
        raise ServerDownError("it has been taken away")
    try:
        password = sealing.open_password(row)
    except SealBrokenError as error:
        raise ServerDownError(f"its password cannot be opened: {error}") from None
    backend = _TenantBackend(
        host=row.host, port=row.port, username=row.user, password=password,
        use_ssl=row.security == MailSecurity.TLS, use_tls=row.security == MailSecurity.STARTTLS,
        ca_certificate=row.ca_certificate,
    )  # fmt: skip
    return Server(backend, row.sender)


def _close(backend: BaseEmailBackend) -> None:
    try:
        backend.close()
    except (OSError, smtplib.SMTPException):
        pass  # what was sent was sent


def _connect(host: str, port: int, seconds: float) -> socket.socket:
    try:
        return egress.connect(host=host, port=port, seconds=seconds, setting="MAIL_EGRESS_ALLOW")
    except egress.EgressError as error:
        raise OSError(str(error)) from None


class _Smtp(smtplib.SMTP):
    """Only to addresses where a tenant's server may be. `_get_socket` is the library's place for it."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return _connect(host, port, timeout)


class _SmtpOverTls(smtplib.SMTP_SSL):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.context.wrap_socket(_connect(host, port, timeout), server_hostname=host)


class _TenantBackend(EmailBackend):
    def __init__(self, *, ca_certificate: str, **options: Any) -> None:
        super().__init__(**options)
        self._ca_certificate = ca_certificate

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpOverTls if self.use_ssl else _Smtp

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self._ca_certificate or None)
