"""What an apply would do: the declaration compared with the tenants that there are. Changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Q

from shared_apps.accounts import selectors as people
from shared_apps.audit.sinks import declaring
from shared_apps.audit.sinks.records import Sink
from shared_apps.authn import configuring, registering
from shared_apps.core import context
from shared_apps.core.references import Secrets
from shared_apps.mail import configuring as mail
from shared_apps.onboarding import mail_servers, selectors, sign_in
from shared_apps.onboarding.declaration.problems import DeclarationConflictError, Problem
from shared_apps.onboarding.declaration.reading import Declaration
from shared_apps.onboarding.declaration.specs import LimitsSpec, TenantSpec
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
class Difference:
    field: str
    old: Any
    new: Any


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


@dataclass(frozen=True, slots=True)
class _Present:
    """The tenants that there are, read in a handful of queries."""

    by_slug: Mapping[str, Tenant]
    owner_of: Mapping[str, str]
    """Domain → slug."""
    schemas: Mapping[str, str]
    admins: Mapping[UUID, set[str]]
    setups: Mapping[UUID, set[str]]
    auth: Mapping[UUID, configuring.Present]
    secrets: Secrets | None
    registrations: Mapping[UUID, list[str]]
    mail: Mapping[UUID, mail.Present]
    sinks: Mapping[UUID, Sequence[Sink]]
    """Of the tenants of which any are declared."""

    @classmethod
    def read(
        cls, declaration: Declaration, *, is_whole: bool, secrets: Secrets | None
    ) -> "_Present":
        specs = declaration.tenants
        concerned = Tenant.objects.filter(
            Q(slug__in=[spec.slug for spec in specs])
            | Q(schema_name__in=[names.schema_of(spec.slug) for spec in specs])
            | Q(domains__domain__in=[domain for spec in specs for domain in spec.domains])
        )
        found = Tenant.objects.all() if is_whole else concerned.distinct()
        with context.operator():
            tenants = list(found.select_related("sign_in_policy").prefetch_related("domains"))
        ids = [tenant.id for tenant in tenants]
        with_sinks = {spec.slug for spec in specs if spec.sinks is not None}
        sending = [tenant.id for tenant in tenants if tenant.slug in with_sinks]
        return cls(
            by_slug={tenant.slug: tenant for tenant in tenants},
            owner_of={d.domain: tenant.slug for tenant in tenants for d in tenant.domains.all()},
            schemas={tenant.schema_name: tenant.slug for tenant in tenants},
            admins=people.list_admin_emails(tenant_ids=ids),
            setups=selectors.list_setups(tenant_ids=ids),
            auth=configuring.list_present(tenant_ids=ids),
            secrets=secrets,
            registrations=registering.list_email_domains(tenant_ids=ids),
            mail=mail.list_present(tenant_ids=ids),
            sinks=declaring.list_present(sending) if sending else {},
        )


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
    present = _Present.read(declaration, is_whole=is_whole, secrets=secrets)
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
    spec: TenantSpec, number: int, declaration: Declaration, present: _Present
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


def _change(spec: TenantSpec, number: int, present: _Present) -> Change | None:
    tenant = present.by_slug.get(spec.slug)
    if tenant is None:
        return Change(spec.slug, Action.CREATE, number, tuple(_of_new(spec)))
    if tenant.state in UNFINISHED:
        return Change(spec.slug, Action.COMPLETE, number, tuple(_of_unfinished(spec, tenant)))
    found = [
        *_of_row(spec, tenant),
        *_of_registration(spec, present.registrations.get(tenant.id, [])),
        *_of_lists(spec, tenant, present),
        *_of_auth(spec, tenant, present),
        *_of_mail(spec, present.mail.get(tenant.id), present.secrets),
        *_of_sinks(spec, present.sinks.get(tenant.id, ()), present.secrets),
    ]
    action = Action.CHANGE
    if spec.state is not None and spec.state != tenant.state:
        action = Action.SUSPEND if spec.state == TenantState.SUSPENDED else Action.RESUME
        found.insert(0, Difference("state", tenant.state.lower(), spec.state.lower()))
    return Change(spec.slug, action, number, tuple(found)) if found else None


def _of_new(spec: TenantSpec) -> Iterable[Difference]:
    yield Difference("name", None, spec.name)
    yield Difference("domains", None, list(spec.domains))
    yield Difference("state", None, (spec.state or TenantState.ACTIVE).lower())
    yield Difference("admins", None, list(spec.admins))
    yield Difference("auth.backend", None, spec.auth.backend)
    for name, value in sorted(spec.auth.options.items()):
        yield Difference(f"auth.options.{name}", None, value)
    if spec.auth.break_glass:
        yield Difference("auth.break_glass", None, list(spec.auth.break_glass))
    for name, value in asdict(spec.limits).items():
        if value is not None:
            yield Difference(f"limits.{name}", None, value)
    for name, is_on in spec.features.items():
        yield Difference(f"features.{name}", None, is_on)
    yield from _of_registration(spec, [])
    yield from _of_mail(spec, None, None)
    yield from _of_sinks(spec, (), None)
    if spec.setup:
        yield Difference("setup", None, [flag.value for flag in spec.setup])


def _of_registration(spec: TenantSpec, domains: list[str]) -> Iterable[Difference]:
    wanted = list(spec.registration)
    if wanted != domains:
        yield Difference("registration.email_domains", domains or None, wanted or None)


def _of_sinks(
    spec: TenantSpec, present: Sequence[Sink], secrets: Secrets | None
) -> Iterable[Difference]:
    if spec.sinks is None:
        return
    for field_name, old, new in declaring.differences(spec.wanted_sinks(secrets), present):
        yield Difference(f"sinks.{field_name}", old, new)


def _of_unfinished(spec: TenantSpec, tenant: Tenant) -> Iterable[Difference]:
    state = (spec.state or TenantState.ACTIVE).lower()
    yield Difference("state", tenant.state.lower(), state)
    if tenant.last_error:
        yield Difference("error", tenant.last_error, None)


def _of_row(spec: TenantSpec, tenant: Tenant) -> Iterable[Difference]:
    if spec.name != tenant.name:
        yield Difference("name", tenant.name, spec.name)
    domains = [domain.domain for domain in tenant.domains.all()]
    wanted = [spec.domains[0], *sorted(spec.domains[1:])]
    if wanted != domains:
        yield Difference("domains", domains, wanted)
    limits = asdict(present_limits(tenant))
    for name, value in asdict(spec.limits).items():
        if value != limits[name]:
            yield Difference(f"limits.{name}", limits[name], value)
    for name in sorted({*tenant.features, *spec.features}):
        old, new = tenant.features.get(name), spec.features.get(name)
        if old != new:
            yield Difference(f"features.{name}", old, new)


def _of_lists(spec: TenantSpec, tenant: Tenant, present: _Present) -> Iterable[Difference]:
    """Lists to which an apply adds and from which it takes nothing away."""
    admins = present.admins.get(tenant.id, set())
    if missing := [email for email in spec.admins if email not in admins]:
        yield Difference("admins", None, missing)
    flags = present.setups.get(tenant.id, set())
    if unset := [flag.value for flag in spec.setup if flag not in flags]:
        yield Difference("setup", None, unset)


def _of_auth(spec: TenantSpec, tenant: Tenant, present: _Present) -> Iterable[Difference]:
    own = present.auth[tenant.id]
    for field_name, old, new in sign_in.differences(spec.auth, own, present.secrets):
        yield Difference(field_name, old, new)


def _of_mail(
    spec: TenantSpec, own: mail.Present | None, secrets: Secrets | None
) -> Iterable[Difference]:
    for field_name, old, new in mail_servers.differences(spec.mail, own, secrets):
        yield Difference(field_name, old, new)


def present_limits(tenant: Tenant) -> LimitsSpec:
    with context.operator():
        # Loaded with the tenants of a plan; most have none.
        policy = getattr(tenant, "sign_in_policy", None)
    return LimitsSpec(
        requests_per_minute=tenant.requests_per_minute,
        statement_timeout_ms=tenant.statement_timeout_ms,
        connections=tenant.connection_limit,
        storage_mb=tenant.storage_mb,
        query_log=tenant.query_log,
        audit_backlog_rows=tenant.audit_backlog_rows,
        audit_backlog_seconds=tenant.audit_backlog_seconds,
        access_token_minutes=policy.access_token_minutes if policy else None,
        refresh_token_days=policy.refresh_token_days if policy else None,
        max_login_hours=policy.max_login_hours if policy else None,
    )


def declared_limits(tenant: Tenant) -> dict[str, int | str]:
    """Those that are not the installation's default."""
    limits = asdict(present_limits(tenant))
    return {name: value for name, value in limits.items() if value is not None}


def describe(tenant: Tenant) -> dict[str, Any]:
    """A tenant that exists, as its declaration would be written; state and setup are left out."""
    domains = registering.list_email_domains(tenant_ids=[tenant.id]).get(tenant.id)
    own_mail = mail.list_present(tenant_ids=[tenant.id]).get(tenant.id)
    return {
        "slug": tenant.slug,
        "name": tenant.name,
        "domains": [domain.domain for domain in tenant.domains.all()],
        "admins": sorted(people.list_admin_emails(tenant_ids=[tenant.id]).get(tenant.id, set())),
        "auth": sign_in.describe(tenant_id=tenant.id),
        "limits": declared_limits(tenant),
        "features": tenant.features,
        **({"registration": {"email_domains": domains}} if domains else {}),
        **({"mail": mail_servers.describe(own_mail)} if own_mail else {}),
    }
