from enum import IntEnum
from typing import Final

from django.db import models

BREAK_GLASS: Final = "break_glass"
"""The backend of a session that was opened past the tenant's own."""


class SessionEnd(models.TextChoices):
    """Why a session ended before its time."""

    SIGNED_OUT = "SIGNED_OUT"
    TERMINATED = "TERMINATED"
    """Its owner ended it from another session, or an administrator of its tenant did."""
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 (a reason, not a password)
    REFRESH_REPLAYED = "REFRESH_REPLAYED"
    """A refresh token was used a second time, so one of its two users has stolen it."""
    BACKEND_CHANGED = "BACKEND_CHANGED"
    """The tenant's people prove who they are elsewhere now."""
    GONE_FROM_DIRECTORY = "GONE_FROM_DIRECTORY"
    """The directory does not know the person any more, or has disabled them."""


class TicketPurpose(models.TextChoices):
    """What a ticket is good for, once."""

    PASSWORD_CHANGE = "PASSWORD_CHANGE"  # noqa: S105 (a purpose)
    """Of a password that its owner has just proven and must not keep."""
    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105 (a purpose)
    REGISTRATION = "REGISTRATION"


class SocketClose(IntEnum):
    """Why the server closed a socket: RFC 6455, and 4000 and above our own."""

    TRY_AGAIN_LATER = 1013
    NOT_SIGNED_IN = 4001
    """There is no good access token, or it has ended: come back with the next one."""
    NOT_ALLOWED = 4003
    """The sign-in, the role or the tenant has ended, or the role may not."""
