from django.db import models


class MailState(models.TextChoices):
    """pending → processing → sent | failed | expired, or pending again; a failed one can be made pending."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    """Somebody sends it now, or died of it: its lease tells when another may."""
    SENT = "SENT"
    FAILED = "FAILED"
    """The server refused it for good, or too often."""
    EXPIRED = "EXPIRED"
    """It could not be sent while what it says was of use."""


OPEN = (MailState.PENDING, MailState.PROCESSING)


class MailPriority(models.IntegerChoices):
    """Within one tenant's mails, the lower first."""

    HIGH = 0
    """Somebody waits for it in front of a page."""
    NORMAL = 5
    LOW = 9
    """Many at a time."""


class MailSecurity(models.TextChoices):
    """How the connection to a tenant's mail server is encrypted; without that there is none."""

    TLS = "tls"
    STARTTLS = "starttls"


class MailKind(models.TextChoices):
    """Which texts it is made of (texts/<kind>.txt)."""

    PASSWORD_RESET = "password_reset"  # noqa: S105 (a kind of mail)
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (a kind of mail)
    REGISTRATION = "registration"
    REGISTRATION_KNOWN = "registration_known"
    DIRECTORY_SYNC = "directory_sync"
