"""What an app says to have its changes recorded."""

from dataclasses import dataclass
from typing import ClassVar

from django.db import models


@dataclass(frozen=True)
class AuditPolicy:
    """How a model's rows appear in the audit trail. Fields are named as on the model."""

    exclude: tuple[str, ...] = ()
    """Never recorded; a change of these alone leaves no entry."""
    redact: tuple[str, ...] = ()
    """That they changed is recorded, their values are not: neither the outbox nor an entry holds one."""


class Auditable(models.Model):
    """Every INSERT, UPDATE, DELETE and TRUNCATE of this table is recorded, whoever does it and how.

    Inheriting is all: triggers in the database do the work (audit/triggers.py), so bulk operations
    and raw SQL are covered and a rollback leaves nothing.
    """

    audit: ClassVar[AuditPolicy] = AuditPolicy()

    class Meta:
        abstract = True
