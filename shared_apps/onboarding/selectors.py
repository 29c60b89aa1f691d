"""Reads of runs and of what tenants were filled with. All run in the operator's context."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from shared_apps.core import context
from shared_apps.onboarding.choices import RunAction, RunState, StepState
from shared_apps.onboarding.errors import RunNotFoundError
from shared_apps.onboarding.models import Erasure, Run, RunStep, TenantSetup


def list_setups(*, tenant_ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """The flags of each of these tenants that has any."""
    found: dict[UUID, set[str]] = {}
    with context.operator():
        rows = TenantSetup.objects.filter(tenant_id__in=tenant_ids)
        for tenant_id, flag in rows.values_list("tenant_id", "flag"):
            found.setdefault(tenant_id, set()).add(flag)
    return found


def get_run(*, run_id: UUID) -> Run:
    """Raises RunNotFoundError."""
    with context.operator():
        run = Run.objects.filter(id=run_id).first()
    if run is None:
        raise RunNotFoundError(run_id=str(run_id))
    return run


def get_latest_request(*, slug: str) -> Run:
    """The last run for this tenant that was asked for over the API.

    Raises:
        RunNotFoundError: it was declared in a file.
    """
    with context.operator():
        runs = Run.objects.filter(steps__slug=slug, declared__isnull=False)
        run = runs.order_by("-created_at").first()
    if run is None:
        raise RunNotFoundError("It was declared in a file; `tenant apply` completes it.")
    return run


def list_requests() -> QuerySet[Run]:
    """Runs that the provisioner carries out, not those of commands; evaluate it in the operator's context."""
    is_commands = Q(action=RunAction.PROVISION, declared__isnull=True)
    return Run.objects.exclude(is_commands).order_by("-created_at")


def list_open_requests() -> QuerySet[Run]:
    """Those that have not ended."""
    return list_requests().filter(state__in=[RunState.PENDING, RunState.RUNNING])


WHOLE_FLEET = "*"
"""Stands for a tenant's name in a step of a run that is about all of them."""

# A run of a whole fleet shows where it is and what failed, not ten thousand rows.
_MOST_STEPS = 50


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` never shrinks while a run goes on, also when it is taken up again."""

    done: int
    total: int
    current: RunStep | None
    steps: tuple[RunStep, ...]
    tenants: tuple[str, ...]


def get_progress(*, run_id: UUID) -> Progress:
    with context.operator():
        rows = RunStep.objects.filter(run_id=run_id)
        counted = rows.aggregate(total=Count("id"), done=Count("id", Q(state=StepState.DONE)))
        unfinished = rows.filter(state__in=[StepState.RUNNING, StepState.FAILED])
        shown = rows if counted["total"] <= _MOST_STEPS else unfinished
        steps = tuple(shown[:_MOST_STEPS])
        current = unfinished.first()
        # One that is restored has no name before its archive was read, and a fleet has none at all.
        slugs = rows.exclude(slug__in=["", WHOLE_FLEET]).values_list("slug", flat=True)
        tenants = dict.fromkeys(slugs[: 10 * _MOST_STEPS])
    return Progress(
        done=counted["done"],
        total=counted["total"],
        current=current,
        steps=steps,
        tenants=tuple(tenants)[:_MOST_STEPS],
    )


def count_erasures_of_other_keys(*, mark: str) -> int:
    """Erasures whose address is known under another SECRET_KEY than the one with this mark."""
    with context.operator():
        return Erasure.objects.exclude(key_mark=mark).count()
