from django.db import models


class SetupFlag(models.TextChoices):
    """What a new tenant can be filled with, once. Those that begin with `dev_` stay out of production.

    An app takes part by a module `seeds.py` with `SEEDS`: flag → function(created_by=, at=).
    """

    DEV_DEMO_DATA = "dev_demo_data"

    @property
    def is_for_development(self) -> bool:
        return self.value.startswith("dev_")


class Step(models.TextChoices):
    """What makes a tenant, in this order; each can be done again."""

    ROW = "row"
    DOMAINS = "domains"
    SCHEMA = "schema"
    ADMINS = "admins"
    SEEDS = "seeds"
    SIGN_IN = "sign_in"
    LIMITS = "limits"
    AUDIT = "audit"
    ACTIVATE = "activate"
    ANNOUNCE = "announce"

    # Of tenants that exist.
    CHANGE = "change"
    ARCHIVE = "archive"


PROVISIONING = tuple(step for step in Step if step not in (Step.CHANGE, Step.ARCHIVE))


class StepState(models.TextChoices):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class RunState(models.TextChoices):
    """pending → running → succeeded | failed; interrupted: its process died."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"
