"""What an apply would do: the declaration compared with the tenants that there are. Changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from shared_apps.authn import configuring
from shared_apps.core.references import Secrets
from shared_apps.onboarding import comparing
from shared_apps.onboarding.comparing import Difference, Present
from shared_apps.onboarding.declaration.problems import DeclarationConflictError, Problem
from shared_apps.onboarding.declaration.reading import Declaration
from shared_apps.onboarding.declaration.specs import TenantSpec
from shared_apps.onboarding.provisioning import engine
from shared_apps.tenants import names
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.models import Tenant


class Action(StrEnum):
    CREATE = "create"
    COMPLETE = "complete"
    """An earlier attempt did not finish."""
    CHANGE = "change"
    SUSPEND = "suspend"
    RESUME = "resume"
    ARCHIVE = "archive"
    """It is not declared, and `--prune` was given."""


PROVISIONED = frozenset({Action.CREATE, Action.COMPLETE})


@dataclass(frozen=True, slots=True)
class Change:
    slug: str
    action: Action
    number: int | None = None
    """Which tenant of the declaration; None of one that is not declared."""
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    declaration: Declaration
    changes: tuple[Change, ...]
    unchanged: int
    undeclared: tuple[str, ...] = field(default=())
    """Tenants that are left alone because the declaration does not name them."""

    def spec_of(self, change: Change) -> TenantSpec:
        assert change.number is not None
        return self.declaration.tenants[change.number]


def make_plan(
    declaration: Declaration,
    *,
    is_whole: bool = True,
    prune: bool = False,
    secrets: Secrets | None = None,
) -> Plan:
    """The changes in the order of the declaration, then what is to be archived by name.

    Without `is_whole` it is about its own tenants only, and the others are not looked at. Without
    `secrets`, or where a reference leads nowhere, it is not known whether one has another value.

    Raises:
        DeclarationConflictError: with everything that does not fit the tenants that there are.
    """
    present = Present.read(declaration, is_whole=is_whole, secrets=secrets)
    problems: list[Problem] = []
    changes: list[Change] = []
    for number, spec in enumerate(declaration.tenants):
        problems += _conflicts(spec, number, declaration, present)
        change = _change(spec, number, present)
        if change is not None:
            changes.append(change)
    if problems:
        raise DeclarationConflictError(problems)
    unchanged = len(declaration.tenants) - len(changes)
    declared = {spec.slug for spec in declaration.tenants}
    others = [tenant for slug, tenant in sorted(present.by_slug.items()) if slug not in declared]
    prunable = [tenant for tenant in others if prune and is_prunable(tenant)]
    changes += [Change(tenant.slug, Action.ARCHIVE) for tenant in prunable]
    left = [tenant for tenant in others if is_whole and tenant not in prunable and _counts(tenant)]
    return Plan(declaration, tuple(changes), unchanged, tuple(tenant.slug for tenant in left))


def is_prunable(tenant: Tenant) -> bool:
    return tenant.state in (TenantState.ACTIVE, TenantState.SUSPENDED)


def _counts(tenant: Tenant) -> bool:
    return tenant.state not in (TenantState.ARCHIVED, TenantState.DELETED)


def _conflicts(
    spec: TenantSpec, number: int, declaration: Declaration, present: Present
) -> Iterable[Problem]:
    tenant = present.by_slug.get(spec.slug)
    if tenant is not None and (text := _obstacle(tenant)):
        yield declaration.problem(number, "slug", text=text)
    holder = present.schemas.get(names.schema_of(spec.slug))
    if tenant is None and holder is not None:
        text = (
            f"the schema of this name belongs to {holder}, which was renamed; choose another slug"
        )
        yield declaration.problem(number, "slug", text=text)
    for place, domain in enumerate(spec.domains):
        owner = present.owner_of.get(domain)
        if owner not in (None, spec.slug):
            text = f"{domain} leads to the tenant {owner}; take it away there first"
            yield declaration.problem(number, "domains", place, text=text)
    if not spec.auth.is_kept and not configuring.is_available(spec.auth.backend):
        text = f"{spec.auth.backend} is not available in this version"
        yield declaration.problem(number, "auth", "backend", text=text)


def _obstacle(tenant: Tenant) -> str:
    """Why a declaration cannot be about this tenant."""
    if tenant.state == TenantState.DELETED:
        return (
            "a tenant of this name is being deleted; `tenant purge` ends it, or choose another slug"
        )
    if tenant.state == TenantState.ARCHIVED and tenant.delete_after is not None:
        day = tenant.delete_after.date().isoformat()
        return f"this tenant is deleted on {day}; `tenant take-back` first, or choose another slug"
    if tenant.state == TenantState.ARCHIVED:
        return "this tenant is archived; `tenant take-back` first, or choose another slug"
    if engine.is_half_restored(tenant):
        return (
            "a restore of it was begun and has not ended; remove it by `tenant undo-failed` first"
        )
    return ""


def _change(spec: TenantSpec, number: int, present: Present) -> Change | None:
    tenant = present.by_slug.get(spec.slug)
    if tenant is None:
        return Change(spec.slug, Action.CREATE, number, tuple(comparing.of_new(spec)))
    if tenant.state in UNFINISHED:
        return Change(
            spec.slug, Action.COMPLETE, number, tuple(comparing.of_unfinished(spec, tenant))
        )
    found = list(comparing.of_present(spec, tenant, present))
    action = Action.CHANGE
    if spec.state is not None and spec.state != tenant.state:
        action = Action.SUSPEND if spec.state == TenantState.SUSPENDED else Action.RESUME
        found.insert(0, Difference("state", tenant.state.lower(), spec.state.lower()))
    return Change(spec.slug, action, number, tuple(found)) if found else None
