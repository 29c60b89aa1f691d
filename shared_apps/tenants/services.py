"""Changes of tenants' rows. Provisioning and the rest of the life cycle are in onboarding."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from shared_apps.audit import admission
from shared_apps.core import context
from shared_apps.core.limits import TenantLimits, TenantQuotas
from shared_apps.tenants import names, routing
from shared_apps.tenants.choices import TRANSITIONS, UNFINISHED, TenantState
from shared_apps.tenants.errors import (
    DomainTakenError,
    LimitsError,
    StateTransitionError,
    TenantExistsError,
    TenantNotFoundError,
)
from shared_apps.tenants.models import Domain, Tenant

# An integer column, and a timeout in PostgreSQL, end here.
_LARGEST_LIMIT = 2**31 - 1


def register_tenant(*, slug: str, name: str) -> Tenant:
    """The row of a new tenant, PENDING; or that of an attempt to make it which did not finish.

    Raises:
        TenantNameError, ReservedNameError: the slug breaks the rules.
        TenantExistsError: the slug, or the schema named after it, is in use.
    """
    schema = names.schema_of(names.validate_slug(slug))
    role = names.role_of(schema, database=settings.DATABASES["default"]["NAME"])
    with context.operator():
        try:
            with transaction.atomic():
                tenant = Tenant.objects.select_for_update().filter(slug=slug).first()
                if tenant is None:
                    tenant = Tenant(slug=slug, name=name, schema_name=schema, role_name=role)
                    tenant.save(force_insert=True)
        except IntegrityError:
            raise TenantExistsError(slug=slug) from None
    if tenant.state not in UNFINISHED:
        raise TenantExistsError(slug=slug)
    return tenant


def set_domains(*, tenant_id: UUID, domains: Sequence[str]) -> None:
    """Make a tenant answer at these canonical host names and no others; the first is primary.

    Raises:
        TenantNotFoundError: no such tenant.
        DomainTakenError: one leads to another tenant.
    """
    with context.operator(), transaction.atomic():
        _lock(tenant_id)
        present = {domain.domain: domain for domain in Domain.objects.filter(tenant=tenant_id)}
        if [domains[0], *sorted(domains[1:])] == _primary_first(present.values()):
            return
        Domain.objects.filter(tenant=tenant_id).exclude(domain__in=domains).delete()
        # Before another becomes primary, because a tenant has one at most.
        Domain.objects.filter(tenant=tenant_id, is_primary=True).exclude(domain=domains[0]).update(
            is_primary=False
        )
        Domain.objects.filter(tenant=tenant_id, domain=domains[0], is_primary=False).update(
            is_primary=True
        )
        for number, domain in enumerate(domains):
            if domain not in present:
                _add_domain(tenant_id, domain, is_primary=number == 0)
        transaction.on_commit(routing.announce_change)


def rename_tenant(*, tenant_id: UUID, slug: str, domains: Sequence[str]) -> Tenant:
    """Give a tenant another slug and other host names; schema, role and id stay what they were.

    The old slug stays taken as long as the schema that is named after it is there.

    Raises:
        TenantNameError, ReservedNameError: the slug breaks the rules.
        TenantNotFoundError: no such tenant.
        TenantExistsError, DomainTakenError: another one has the name.
    """
    names.validate_slug(slug)
    with context.operator(), transaction.atomic():
        tenant = _lock(tenant_id)
        tenant.slug = slug
        try:
            with transaction.atomic():
                tenant.save(update_fields=["slug"])
        except IntegrityError:
            raise TenantExistsError(slug=slug) from None
        set_domains(tenant_id=tenant_id, domains=domains)
        transaction.on_commit(routing.announce_change)
    return tenant


def change_details(
    *, tenant_id: UUID, name: str, quotas: TenantQuotas, features: Mapping[str, bool]
) -> Tenant:
    """Set what a tenant is called and what it has bought; requests that begin from then on have it.

    Raises:
        TenantNotFoundError: no such tenant.
        LimitsError: a quota is less than 1 or too large to keep.
    """
    numbers = [value for value in astuple(quotas) if isinstance(value, int)]
    if any(not 1 <= number <= _LARGEST_LIMIT for number in numbers):
        raise LimitsError
    with context.operator(), transaction.atomic():
        tenant = _lock(tenant_id)
        tenant.name = name
        tenant.plan = quotas.plan
        tenant.requests_per_minute = quotas.requests_per_minute
        tenant.storage_mb = quotas.storage_mb
        tenant.features = dict(features)
        tenant.save(update_fields=["name", "plan", "requests_per_minute", "storage_mb", "features"])
        transaction.on_commit(routing.announce_change)
    return tenant


def change_limits(*, tenant_id: UUID, limits: TenantLimits) -> Tenant:
    """Set all limits of a tenant; requests that begin from then on have them, in every process.

    Raises:
        TenantNotFoundError: no such tenant.
        LimitsError: a limit is less than 1 or more than PostgreSQL can hold, or cannot be had on Citus.
    """
    numbers = [value for value in astuple(limits) if isinstance(value, int)]
    if any(not 1 <= number <= _LARGEST_LIMIT for number in numbers):
        raise LimitsError
    has_backlog_limit = limits.audit_backlog_rows or limits.audit_backlog_seconds
    if has_backlog_limit and settings.DATABASE_SHARDING == "citus":
        # There the trigger would fire on a node, which does not know the tenant's row.
        raise LimitsError("The audit backlog cannot be limited on Citus.")
    with context.operator(), transaction.atomic():
        tenant = _lock(tenant_id)
        tenant.query_log = limits.query_log
        tenant.statement_timeout_ms = limits.statement_timeout_ms
        tenant.idle_in_transaction_timeout_ms = limits.idle_in_transaction_timeout_ms
        tenant.connection_limit = limits.connections
        tenant.audit_backlog_rows = limits.audit_backlog_rows
        tenant.audit_backlog_seconds = limits.audit_backlog_seconds
        tenant.save(
            update_fields=[
                "statement_timeout_ms",
                "idle_in_transaction_timeout_ms",
                "connection_limit",
                "query_log",
                "audit_backlog_rows",
                "audit_backlog_seconds",
            ]
        )
        with connection.cursor() as cursor:
            admission.apply(cursor, tenant_id=tenant.id)
        transaction.on_commit(routing.announce_change)
    return tenant


def change_state(
    *, tenant_id: UUID, to: TenantState, at: datetime, reason: str = "", error: str = ""
) -> Tenant:
    """Move a tenant along the state machine; every process serves or refuses it from then on.

    Raises:
        TenantNotFoundError: no such tenant.
        StateTransitionError: `to` cannot follow the present state.
    """
    with context.operator(), transaction.atomic():
        tenant = _lock(tenant_id)
        if to not in TRANSITIONS[TenantState(tenant.state)]:
            raise StateTransitionError(
                f"A tenant that is {tenant.state} cannot become {to}.", state=tenant.state, to=to
            )
        tenant.state = to
        tenant.state_reason = reason
        tenant.last_error = error
        tenant.state_changed_at = at
        if to != TenantState.DELETED:
            tenant.delete_after = None
        tenant.save(
            update_fields=[
                "state",
                "state_reason",
                "last_error",
                "state_changed_at",
                "delete_after",
            ]
        )
        transaction.on_commit(routing.announce_change)
    return tenant


def schedule_deletion(*, tenant_id: UUID, after: datetime) -> Tenant:
    """Say from when on an archived tenant may be deleted; any change of its state takes it back.

    Raises:
        TenantNotFoundError: no such tenant.
        StateTransitionError: it is not archived.
    """
    with context.operator(), transaction.atomic():
        tenant = _lock(tenant_id)
        if tenant.state != TenantState.ARCHIVED:
            raise StateTransitionError(
                f"A tenant that is {tenant.state} cannot be deleted; archive it first.",
                state=tenant.state,
            )
        tenant.delete_after = after
        tenant.save(update_fields=["delete_after"])
    return tenant


def _lock(tenant_id: UUID) -> Tenant:
    tenant = Tenant.objects.select_for_update().filter(id=tenant_id).first()
    if tenant is None:
        raise TenantNotFoundError(tenant_id=str(tenant_id))
    return tenant


def _primary_first(domains: Iterable[Domain]) -> list[str]:
    return [
        domain.domain
        for domain in sorted(domains, key=lambda domain: (not domain.is_primary, domain.domain))
    ]


def _add_domain(tenant_id: UUID, domain: str, *, is_primary: bool) -> None:
    try:
        with transaction.atomic():
            Domain(domain=domain, tenant_id=tenant_id, is_primary=is_primary).save(
                force_insert=True
            )
    except IntegrityError:
        raise DomainTakenError(domain=domain) from None
