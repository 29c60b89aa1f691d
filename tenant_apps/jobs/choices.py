from typing import Final

from django.db import models


class JobState(models.TextChoices):
    """pending → processing → completed | failed | cancelled. A processing job whose worker is lost is pending again.

    Lower case, because clients that poll compare with these words.
    """

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED: Final = (JobState.PENDING, JobState.PROCESSING)


class JobPhase(models.TextChoices):
    """What a processing job is at. Cleaning up follows always, so it has no phase of a job's own."""

    VALIDATE = "validate"
    WORK = "work"
    SAVE = "save"
