"""The ledger of the fleet: what state each schema is in, and what each run did.

Written by the migration login in the transaction that changes the schema; the application's login only
reads it (fleet/sealing.py), because the scripts of templates are executed with the owner's rights.
"""

import uuid

from django.db import models

from shared_apps.fleet.choices import OutcomeState, RunState


class SchemaTemplate(models.Model):
    """What a new tenant's schema is made of, for one version of the code."""

    fingerprint = models.CharField(primary_key=True, max_length=64)
    """Of the migrations, triggers and rights that the code wants a tenant's schema to have."""
    migrations = models.JSONField()
    """Their names, `app.name`, in the order in which they were applied."""
    script = models.TextField(blank=True)
    """Empty: the schema cannot be made from a script, for the reason in `refusal`."""
    refusal = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)


class SchemaVersion(models.Model):
    """What a tenant's schema is at. One row per schema, so that one query finds those that are not."""

    schema_name = models.CharField(primary_key=True, max_length=63)
    fingerprint = models.CharField(max_length=64, blank=True)
    """Of the code whose state the schema was last wholly at; empty if that is not known."""
    is_between = models.BooleanField(default=False)
    """Some of a newer code's migrations have been applied, not all."""
    changed_at = models.DateTimeField()
    error = models.TextField(blank=True)
    """Why the last attempt failed."""


class SpareSchema(models.Model):
    """A schema that waits for a tenant, closed to everybody; claimed, it is renamed and its row is gone."""

    schema_name = models.CharField(primary_key=True, max_length=63)
    fingerprint = models.CharField(max_length=64)
    """Of the template that it was made from."""
    adoption = models.TextField()
    """What follows the renaming, as a script of the template's kind: rights, and functions that say the name."""
    stamp = models.CharField(max_length=64)
    """Of its rows in the catalogue: another one now means that somebody changed it (fleet/spares/stamps.py)."""
    problem = models.TextField(blank=True)
    """Why nobody may claim it; empty for one that is ready."""
    created_at = models.DateTimeField()


class Run(models.Model):
    """One `fleet migrate` that had something to do."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=8, choices=RunState, default=RunState.RUNNING)
    target = models.CharField(max_length=64)
    runner = models.CharField(max_length=200)
    """Host and process, for whoever looks for it."""
    planned = models.PositiveIntegerField()
    note = models.TextField(blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["-started_at"], name="fleet_run_by_age")]


class Outcome(models.Model):
    """What a run did with one schema."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="outcomes")
    schema_name = models.CharField(max_length=63)
    slug = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=OutcomeState)
    from_fingerprint = models.CharField(max_length=64, blank=True)
    to_fingerprint = models.CharField(max_length=64)
    applied = models.JSONField(default=list)
    """Names of the migrations that this run applied."""
    attempts = models.PositiveSmallIntegerField(default=1)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "schema_name"], name="fleet_one_outcome"),
        ]
