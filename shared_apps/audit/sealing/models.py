"""Keys of the trail's personal fields. No tenant's role sees them: the relay makes them, the operator's
context reads and destroys them."""

import uuid
from typing import ClassVar

from django.db import models

from shared_apps.core.row_rights import RowRights


class WrappingKey(models.Model):
    """A secret of AUDIT_SEALING_KEYS that is in use. Not the secret: what only its holder can compute."""

    row_rights: ClassVar[RowRights] = RowRights(relay=("SELECT", "INSERT"))

    id = models.CharField(primary_key=True, max_length=100)
    proof = models.CharField(max_length=64)


class PersonKey(models.Model):
    """What opens one person's values in one tenant's trail. Deleting the row makes them unreadable."""

    row_rights: ClassVar[RowRights] = RowRights(
        relay=("SELECT", "INSERT"), relay_updates=("entries",)
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    trail_id = models.UUIDField(editable=False)
    """Of the tenant; zero for the installation's. No foreign key: a trail outlives its tenant."""
    subject = models.CharField(max_length=64, editable=False)
    """Whose it is: an HMAC of the account's id or of the address (wrapping.py)."""
    wrapped = models.BinaryField()
    """The key, and whose it is, encrypted with the wrapping key."""
    wrapping_key = models.ForeignKey(WrappingKey, on_delete=models.PROTECT, related_name="keys")
    entries = models.BigIntegerField(default=0)
    """How many entries of the trail have values that it opens."""

    class Meta:
        constraints = [
            models.UniqueConstraint(name="one_key_per_person", fields=["subject", "trail_id"]),
        ]


class ErasedSubject(models.Model):
    """Since when somebody is erased: what outboxes still hold from before is never sealed readably."""

    row_rights: ClassVar[RowRights] = RowRights(relay=("SELECT",))

    subject = models.CharField(primary_key=True, max_length=64, editable=False)
    wrapping_key = models.ForeignKey(WrappingKey, on_delete=models.PROTECT, related_name="erased")
    erased_at = models.DateTimeField()
