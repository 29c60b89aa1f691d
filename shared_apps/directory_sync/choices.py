from typing import Final

from django.db import models


class State(models.TextChoices):
    """LISTING → PENDING → APPROVED → APPLIED; PENDING → REJECTED; what was not applied in time EXPIRED."""

    LISTING = "LISTING"
    """The directory is being read; nothing of it is shown."""
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    APPLIED = "APPLIED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    """The directory could not be read to its end."""


class Kind(models.TextChoices):
    NEW = "NEW"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    """The directory has them no more: they are kept out, not deleted."""


class Strategy(models.TextChoices):
    """What becomes of a field that is another one here than in the directory."""

    SKIP = "skip"
    """What is here stays."""
    OVERWRITE = "overwrite"
    """What the directory says counts."""
    MERGE = "merge"
    """Whichever side has changed since the two agreed; of both, a person decides."""


class Schedule(models.TextChoices):
    NIGHTLY = "nightly"
    HOURLY = "hourly"


class Danger(models.TextChoices):
    EMPTY_SOURCE = "empty_source"
    TOO_MANY_DEACTIVATIONS = "too_many_deactivations"


PERSON: Final = "person"
FIELDS: Final = ("name", "email", "username", "role", "is_active")
