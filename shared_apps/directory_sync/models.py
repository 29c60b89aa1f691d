"""What a directory and a tenant's people differ in, to be judged before it is carried out. Shared tables."""

import uuid
from typing import ClassVar

from django.db import models

from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.core.personal import ACCOUNTABILITY, ID_ALONE, Deleted, Kept, Masked, Rule
from shared_apps.directory_sync.choices import PERSON, Kind, State


class SyncPreview(Auditable):
    """One comparison. `fingerprint` stands for all that it would do: who approves it names it."""

    audit = AuditPolicy(exclude=("source_count", "source", "position", "scope", "notified_at"))
    personal: ClassVar[tuple[Rule, ...]] = (
        Kept(by="requested_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
        Kept(by="reviewed_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
        Kept(by="applied_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
        Kept(by="undone_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
        Masked(columns=("override_reason",)),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="sync_previews"
    )
    realm = models.UUIDField(editable=False)
    entity_type = models.CharField(max_length=100, default=PERSON)
    state = models.CharField(max_length=10, choices=State, default=State.LISTING)
    source_count = models.PositiveIntegerField(default=0)
    """How many the directory has named so far."""
    active_count = models.PositiveIntegerField(default=0)
    """How many of its people were let in here before."""
    new_count = models.PositiveIntegerField(default=0)
    modified_count = models.PositiveIntegerField(default=0)
    deleted_count = models.PositiveIntegerField(default=0)
    diff_data = models.JSONField(default=dict)
    """Counts by kind and, of those modified, by field; the differences themselves are the items."""
    dangers = models.JSONField(default=list)
    """Of all that was found; what is selected in the end is judged when it is applied."""
    fingerprint = models.CharField(max_length=64, blank=True)
    failure = models.CharField(max_length=500, blank=True)
    is_scheduled = models.BooleanField(default=False, db_default=False)
    """Nobody asked for it: its time had come."""
    is_complete = models.BooleanField(default=True, db_default=True)
    """Everybody was compared; else whoever had changed in the directory since the last time."""
    source = models.CharField(max_length=100, blank=True, db_default="")
    position = models.CharField(max_length=200, blank=True, db_default="")
    """Where the directory stood; from there on it is compared the next time, once all of this is applied."""
    scope = models.CharField(max_length=64, blank=True, db_default="")
    """Stands for the options that it was read by."""
    is_automatic = models.BooleanField(default=False, db_default=False)
    """It was approved by no person: it kept within the ceilings of `auto_apply`."""
    notified_at = models.DateTimeField(null=True)
    """When the administrators were told by mail that it waits for them, or failed."""
    requested_by = models.UUIDField(null=True, editable=False)
    """Empty: nobody did, it was made by night or at the console."""
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    reviewed_by = models.UUIDField(null=True, editable=False)
    reviewed_at = models.DateTimeField(null=True)
    override_reason = models.CharField(max_length=500, blank=True)
    applied_by = models.UUIDField(null=True, editable=False)
    applied_at = models.DateTimeField(null=True)
    result = models.JSONField(default=dict)
    undone_by = models.UUIDField(null=True, editable=False)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="one_listing_at_a_time",
                fields=["tenant"],
                condition=models.Q(state=State.LISTING),
            ),
            models.CheckConstraint(
                name="sync_preview_state_rule", condition=models.Q(state__in=State.values)
            ),
            models.CheckConstraint(
                name="sync_preview_applied_rule",
                condition=models.Q(state=State.APPLIED, applied_at__isnull=False)
                | ~models.Q(state=State.APPLIED) & models.Q(applied_at__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["tenant", "-requested_at"], name="sync_preview_by_tenant")]

    @property
    def comparison(self) -> str:
        return "full" if self.is_complete else "changes"


class SyncItem(models.Model):
    """One person who differs. What is done to them is recorded where it is done."""

    personal: ClassVar[tuple[Rule, ...]] = (
        Deleted(by="user_id"),
        Masked(columns=("label", "directory", "fields", "before")),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    preview = models.ForeignKey(SyncPreview, on_delete=models.CASCADE, related_name="items")
    kind = models.CharField(max_length=10, choices=Kind)
    external_id = models.CharField(max_length=200)
    user_id = models.UUIDField(null=True)
    """Of somebody new: since it was applied."""
    label = models.CharField(max_length=256)
    """For people to read: an address, else a name."""
    is_selected = models.BooleanField(default=True)
    fields = models.JSONField(default=dict)
    """Field → old, new, base, conflict, selected."""
    directory = models.JSONField(null=True)
    """What the directory said; empty of those whom it has no more."""
    local_fingerprint = models.CharField(max_length=64)
    directory_fingerprint = models.CharField(max_length=64)
    before = models.JSONField(null=True)
    """What was overwritten, once it was."""
    applied_fingerprint = models.CharField(max_length=64, blank=True)
    """How they stood right after."""

    class Meta:
        constraints = [
            models.UniqueConstraint(name="one_item_per_person", fields=["preview", "external_id"]),
            models.CheckConstraint(
                name="sync_item_kind_rule", condition=models.Q(kind__in=Kind.values)
            ),
        ]


class SyncPosition(models.Model):
    """Up to where the changes of one server of a directory have been taken over."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")
    realm = models.UUIDField()
    source = models.CharField(max_length=100)
    position = models.CharField(max_length=200)
    scope = models.CharField(max_length=64)
    complete_at = models.DateTimeField()
    """When everybody was compared last."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="one_sync_position_per_source", fields=["tenant", "realm", "source"]
            ),
        ]


class AgreedRecord(models.Model):
    """What a directory said of somebody when the two sides agreed last: who has changed since is seen by it."""

    personal: ClassVar[tuple[Rule, ...]] = (Masked(columns=("values",)),)

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")
    realm = models.UUIDField()
    external_id = models.CharField(max_length=200)
    values = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="one_agreed_record_per_person", fields=["tenant", "realm", "external_id"]
            ),
        ]
