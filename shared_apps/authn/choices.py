from django.db import models


class SessionEnd(models.TextChoices):
    """Why a session ended before its time."""

    SIGNED_OUT = "SIGNED_OUT"
    TERMINATED = "TERMINATED"
    """Its owner ended it from another session."""
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 (a reason, not a password)
    REFRESH_REPLAYED = "REFRESH_REPLAYED"
    """A refresh token was used a second time, so one of its two users has stolen it."""
