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
    RENAME = "rename"
    EXPORT = "export"
    DELETE = "delete"
    """Stop serving it, back it up, set the date."""
    PURGE = "purge"

    # Of tenants that are made from others.
    RESTORE = "restore"
    CLONE = "clone"

    # Of all tenants together.
    MIGRATE = "migrate"


PROVISIONING = (
    Step.ROW, Step.DOMAINS, Step.SCHEMA, Step.ADMINS, Step.SEEDS, Step.SIGN_IN, Step.LIMITS,
    Step.AUDIT, Step.ACTIVATE, Step.ANNOUNCE,
)  # fmt: skip


class RunAction(models.TextChoices):
    """What a run is to do. All but those of a command are carried out by the provisioner."""

    PROVISION = "PROVISION"
    """Make tenants: one that was asked for over the API, or those of a command's file."""
    EXPORT = "EXPORT"
    RESTORE = "RESTORE"
    CLONE = "CLONE"
    RENAME = "RENAME"
    DELETE = "DELETE"
    MIGRATE = "MIGRATE"


HALF_RESTORED = "A restore was begun and has not ended; remove it by `tenant undo-failed`."
"""The `last_error` of a FAILED tenant that a restore was filling when it died: no provisioning made it,
and none completes it."""


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
