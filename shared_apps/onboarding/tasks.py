"""Work of the provisioner: the one worker that is given the migration login (docs/architecture.md)."""

import os
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from shared_apps.core.references import Secrets
from shared_apps.onboarding import services


@shared_task(name=services.PROVISION_TASK)
def provision_tenant(*, run_id: str, **_: Any) -> None:
    """Make the tenant of a run, or go on with it; safe to be delivered twice."""
    services.carry_out_run(run_id=UUID(run_id), secrets=_secrets(), clock=timezone.now)


@shared_task(name=services.CARRY_OUT_TASK)
def carry_out_run(*, run_id: str, **_: Any) -> None:
    """Do what an operator asked for, or go on with it; safe to be delivered twice."""
    services.carry_out_run(run_id=UUID(run_id), secrets=_secrets(), clock=timezone.now)


@shared_task(name=services.TAKE_UP_TASK)
def take_up_runs(**_: Any) -> int:
    """Every minute: go on with runs whose process died; their own messages come back after hours."""
    return services.take_up_runs(secrets=_secrets(), clock=timezone.now)


@shared_task(name=services.PURGE_TASK)
def purge_tenants(**_: Any) -> int:
    """Daily: delete the tenants whose time has come."""
    return len(services.purge_due(at=timezone.now()))


def _secrets() -> Secrets:
    # A declaration that came over the network refers to variables only, so no directory matters.
    return Secrets(environment=os.environ, directory=Path())
