from django.db import models


class MailState(models.TextChoices):
    """waiting → sent | dead | expired; a dead one can be made to wait again."""

    WAITING = "WAITING"
    SENT = "SENT"
    DEAD = "DEAD"
    """The server refused it for good, or too often."""
    EXPIRED = "EXPIRED"
    """It could not be sent while what it says was of use."""


class MailKind(models.TextChoices):
    """Which texts it is made of (texts/<kind>.txt)."""

    PASSWORD_RESET = "password_reset"  # noqa: S105 (a kind of mail)
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (a kind of mail)
    REGISTRATION = "registration"
    REGISTRATION_KNOWN = "registration_known"
    DIRECTORY_SYNC = "directory_sync"
