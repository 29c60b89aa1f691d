"""What provisioning has done and is doing: runs, their steps, and what a tenant was filled with."""

import uuid
from typing import ClassVar

from django.db import models

from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.core.personal import ACCOUNTABILITY, ID_ALONE, Kept, Masked, Rule
from shared_apps.onboarding.choices import RunAction, RunState, SetupFlag, Step, StepState


class Run(models.Model):
    """One application of a declaration, or one request of an operator. Steps carry the progress."""

    personal: ClassVar[tuple[Rule, ...]] = (
        Masked(columns=("declared", "error")),
        Kept(by="requested_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=11, choices=RunState, default=RunState.PENDING)
    declared = models.JSONField(null=True)
    """The one tenant that was asked for over the API, for the task that makes it; no secrets."""
    # With the database's own defaults: a version that does not know the columns adds runs too.
    action = models.CharField(
        max_length=9,
        choices=RunAction,
        default=RunAction.PROVISION,
        db_default=models.Value(RunAction.PROVISION.value),
    )
    arguments = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), blank=True
    )
    """What was asked for, when that is no declaration; no secrets."""
    report = models.CharField(max_length=200, db_default="", default="", blank=True)
    """What the step in hand said last."""
    requested_by = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="run_state_rule", condition=models.Q(state__in=RunState.values)
            ),
        ]


class RunStep(models.Model):
    """One step for one tenant. Tenants are named, not referred to: one that is undone is gone."""

    personal: ClassVar[tuple[Rule, ...]] = (Masked(columns=("error",)),)

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    slug = models.CharField(max_length=40)
    step = models.CharField(max_length=10, choices=Step)
    state = models.CharField(max_length=7, choices=StepState, default=StepState.PENDING)
    attempt = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(name="one_step_per_run", fields=["run", "slug", "step"]),
            models.CheckConstraint(
                name="step_state_rule", condition=models.Q(state__in=StepState.values)
            ),
        ]


class TenantSetup(Auditable):
    """A tenant was filled with something; written in the transaction that filled it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="setups")
    flag = models.CharField(max_length=40, choices=SetupFlag)
    """One of those, or `fixture:` and the name of a file (fixtures.py)."""
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="one_setup_per_flag", fields=["tenant", "flag"]),
        ]


class InstallationSetup(Auditable):
    """Something that is done once for the whole installation; written in the transaction that did it."""

    audit = AuditPolicy(exclude=("mark",))

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    flag = models.CharField(max_length=120, unique=True)
    mark = models.CharField(max_length=200, blank=True, editable=False)
    """What was taken over from the environment, as a hash; empty where that does not matter."""
    set_at = models.DateTimeField()


class Erasure(Auditable):
    """A person was erased, or is being: `finished_at` is empty until every tenant is done.

    What is kept of the address is a hash with the installation's secret key, so that a restore of an
    older archive leaves the person out (erasing/tombstones.py).
    """

    audit = AuditPolicy(exclude=("address_hash", "key_mark"))
    personal: ClassVar[tuple[Rule, ...]] = (
        Kept(
            by="user_id",
            reason="that and when the person was erased",
            ground=ACCOUNTABILITY,
            is_counted=False,
        ),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.UUIDField(null=True, editable=False)
    """Of the anonymised account; empty for somebody who had none."""
    address_hash = models.CharField(max_length=64, db_index=True, editable=False)
    key_mark = models.CharField(max_length=16, editable=False)
    """Tells with which key the hash was made, and nothing about the key."""
    lines = models.JSONField(default=list)
    """What became of rows that are no tenant's."""
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)


class TenantErasure(Auditable):
    """What an erasure did with one tenant's rows. Without the address: it is in that tenant's trail."""

    personal: ClassVar[tuple[Rule, ...]] = (
        Kept(
            by="user_id",
            reason="that and when the person was erased",
            ground=ACCOUNTABILITY,
            is_counted=False,
        ),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="tenants")
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="erasures")
    user_id = models.UUIDField(null=True, editable=False)
    lines = models.JSONField(default=list)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="one_per_erasure_and_tenant", fields=["erasure", "tenant"]
            ),
        ]
