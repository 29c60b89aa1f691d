"""What is declared of a tenant, field by field beside what it is. Changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
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
from shared_apps.onboarding.declaration.reading import Declaration
from shared_apps.onboarding.declaration.specs import TenantSpec
from shared_apps.onboarding.describing import present_limits
from shared_apps.tenants import names
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Difference:
    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Present:
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
    ) -> "Present":
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


def of_present(spec: TenantSpec, tenant: Tenant, present: Present) -> Iterable[Difference]:
    yield from _of_row(spec, tenant)
    yield from _of_registration(spec, present.registrations.get(tenant.id, []))
    yield from _of_lists(spec, tenant, present)
    yield from _of_auth(spec, tenant, present)
    yield from _of_mail(spec, present.mail.get(tenant.id), present.secrets)
    yield from _of_sinks(spec, present.sinks.get(tenant.id, ()), present.secrets)


def of_new(spec: TenantSpec) -> Iterable[Difference]:
    yield Difference("name", None, spec.name)
    yield Difference("domains", None, list(spec.domains))
    yield Difference("state", None, (spec.state or TenantState.ACTIVE).lower())
    yield Difference("admins", None, list(spec.admins))
    yield Difference("auth.backend", None, spec.auth.backend)
    for name, value in sorted(spec.auth.options.items()):
        yield Difference(f"auth.options.{name}", None, value)
    for name in sorted(spec.auth.secrets):
        yield Difference(f"auth.secrets.{name}", None, sign_in.NEW)
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


def of_unfinished(spec: TenantSpec, tenant: Tenant) -> Iterable[Difference]:
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


def _of_lists(spec: TenantSpec, tenant: Tenant, present: Present) -> Iterable[Difference]:
    """Lists to which an apply adds and from which it takes nothing away."""
    admins = present.admins.get(tenant.id, set())
    if missing := [email for email in spec.admins if email not in admins]:
        yield Difference("admins", None, missing)
    flags = present.setups.get(tenant.id, set())
    if unset := [flag.value for flag in spec.setup if flag not in flags]:
        yield Difference("setup", None, unset)


def _of_auth(spec: TenantSpec, tenant: Tenant, present: Present) -> Iterable[Difference]:
    own = present.auth[tenant.id]
    for field_name, old, new in sign_in.differences(spec.auth, own, present.secrets):
        yield Difference(field_name, old, new)


def _of_mail(
    spec: TenantSpec, own: mail.Present | None, secrets: Secrets | None
) -> Iterable[Difference]:
    for field_name, old, new in mail_servers.differences(spec.mail, own, secrets):
        yield Difference(field_name, old, new)
