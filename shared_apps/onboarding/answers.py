"""Tenants and runs as operators are told of them over HTTP."""

from typing import Any

from shared_apps.onboarding import describing, selectors, serializers
from shared_apps.onboarding.models import Run
from shared_apps.tenants.models import Tenant


def run_whole(run: Run) -> dict[str, Any]:
    progress = selectors.get_progress(run_id=run.id)
    return {
        **run_head(run),
        "steps_done": progress.done,
        "steps_total": progress.total,
        "tenants": list(progress.tenants),
        "current_step": progress.current.step if progress.current else None,
        "steps": serializers.StepSerializer(progress.steps, many=True).data,
    }


def run_head(run: Run) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "action": run.action.lower(),
        "arguments": run.arguments,
        "state": run.state.lower(),
        "report": run.report,
        "error": run.error,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def tenant_summary(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "state": tenant.state.lower(),
        "reason": tenant.state_reason,
        "last_error": tenant.last_error,
        "delete_after": tenant.delete_after,
        "domains": [domain.domain for domain in tenant.domains.all()],
        "created_at": tenant.created_at,
    }


def tenant_whole(tenant: Tenant) -> dict[str, Any]:
    return {**tenant_summary(tenant), **describing.describe(tenant)}
