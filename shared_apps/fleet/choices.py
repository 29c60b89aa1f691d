from django.db import models


class RunState(models.TextChoices):
    """running → done, failed or stopped. A run whose process was killed stays RUNNING."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


class OutcomeState(models.TextChoices):
    DONE = "DONE"
    FAILED = "FAILED"
