"""One tenant: made, or made complete after an attempt that failed or died."""

import logging
import time

from django.db import Error, connections
from django.db.utils import InternalError, OperationalError
from psycopg import errors as postgres

from shared_apps.core import context
from shared_apps.core.errors import explain
from shared_apps.onboarding.choices import HALF_RESTORED, PROVISIONING, Step
from shared_apps.onboarding.errors import HalfRestoredError, ProvisioningError
from shared_apps.onboarding.provisioning import locks, steps
from shared_apps.onboarding.provisioning.recording import Recorder
from shared_apps.tenants import routing
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.errors import StateTransitionError, TenantExistsError
from shared_apps.tenants.models import Tenant

logger = logging.getLogger(__name__)

_TRIES = 4
_PAUSE = 0.2  # seconds; doubles
_COLLISIONS = (
    postgres.DeadlockDetected,
    postgres.LockNotAvailable,
    postgres.SerializationFailure,
)


def provision(*, work: steps.Work, recorder: Recorder, is_new: bool = False) -> Tenant:
    """Go through all the steps; the tenant is served after the last but one, and not before.

    Raises:
        TenantExistsError: with `is_new`, it is there and finished.
        HalfRestoredError: what is there is what a restore left when it died; nothing was changed.
        ProvisioningError: a step failed; the tenant is FAILED, says why, and can be tried again.
    """
    slug = work.spec.slug
    with locks.only_worker(slug):
        finished = find_finished(slug)
        if finished is not None:
            if is_new:
                raise TenantExistsError(slug=slug)
            routing.announce_change()
            recorder.complete_all()
            return finished
        _refuse_half_restored(slug)
        for step in PROVISIONING:
            recorder.begin(step)
            try:
                _attempt(step, work)
            except Exception as error:
                logger.exception("Provisioning failed")
                reason = explain(error)
                _remember_failure(work, recorder, reason)
                raise ProvisioningError(f"{slug}: {step.label.lower()}: {reason}") from error
        recorder.complete()
        return work.tenant


def _attempt(step: Step, work: steps.Work) -> None:
    """Again when it only collided with another tenant's step; what it had begun was rolled back."""
    for number in range(1, _TRIES + 1):
        try:
            return steps.carry_out(step, work)
        except (OperationalError, InternalError) as error:
            if number == _TRIES or not _is_collision(error):
                raise
            time.sleep(_PAUSE * 2**number)


def _is_collision(error: Error) -> bool:
    cause = error.__cause__
    # What PostgreSQL says of two sessions that change one row of its catalogue.
    return isinstance(cause, _COLLISIONS) or "concurrently updated" in str(cause)


def _remember_failure(work: steps.Work, recorder: Recorder, reason: str) -> None:
    """As far as the database still answers; what it does not learn, the next apply finds out."""
    try:
        recorder.fail(reason)
        with context.operator():
            tenant = Tenant.objects.filter(slug=work.spec.slug).first()
        if tenant is not None and tenant.state == TenantState.PROVISIONING:
            tenants.change_state(
                tenant_id=tenant.id, to=TenantState.FAILED, at=work.at, error=reason
            )
    except (Error, StateTransitionError):
        logger.exception("The failure could not be recorded")
        connections.close_all()


def find_finished(slug: str) -> Tenant | None:
    with context.operator():
        # One that is being deleted is neither finished nor to be finished: its row stands in the way.
        unfinished = UNFINISHED | {TenantState.DELETED}
        return Tenant.objects.filter(slug=slug).exclude(state__in=unfinished).first()


def is_half_restored(tenant: Tenant) -> bool:
    """Whether it is what a restore left when it died; half of another tenant's data may be in it."""
    return tenant.state == TenantState.FAILED and tenant.last_error == HALF_RESTORED


def _refuse_half_restored(slug: str) -> None:
    with context.operator():
        tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is not None and is_half_restored(tenant):
        raise HalfRestoredError(slug=slug)
