"""The steps that make a tenant. Each finds what is there already and can be done again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connections, transaction

from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.audit import triggers
from shared_apps.authn import lifetimes, registering
from shared_apps.core import context
from shared_apps.core.references import Secrets
from shared_apps.fleet import services as fleet
from shared_apps.onboarding import fixtures, mail_servers, schemas, seeds, sign_in
from shared_apps.onboarding.choices import Step
from shared_apps.onboarding.declaration.specs import ADMIN_PASSWORD, TenantSpec
from shared_apps.onboarding.errors import ProvisioningError
from shared_apps.tenants import routing
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant

SUSPENDED_AS_DECLARED = "Suspended, as declared."


@dataclass(frozen=True, slots=True)
class Work:
    spec: TenantSpec
    secrets: Secrets
    at: datetime

    @property
    def tenant(self) -> Tenant:
        return tenants_read.get_tenant(slug=self.spec.slug)


def carry_out(step: Step, work: Work) -> None:
    _STEPS[step](work)


def _row(work: Work) -> None:
    tenant = tenants.register_tenant(slug=work.spec.slug, name=work.spec.name)
    if tenant.state != TenantState.PROVISIONING:
        tenants.change_state(tenant_id=tenant.id, to=TenantState.PROVISIONING, at=work.at)


def _domains(work: Work) -> None:
    tenants.set_domains(tenant_id=work.tenant.id, domains=work.spec.domains)


def _schema(work: Work) -> None:
    schemas.make_ready(work.tenant.identity)


def _admins(work: Work) -> None:
    reference = work.spec.auth.secrets.get(ADMIN_PASSWORD)
    password = work.secrets.read(reference) if reference else None
    tenant = work.tenant
    for email in work.spec.admins:
        accounts.ensure_admin(tenant_id=tenant.id, email=email, password=password, at=work.at)
        # The first administrator's alone.
        password = None


def plant(work: Work) -> None:
    fixtures.load_for_tenant(tenant_id=work.tenant.id, at=work.at)
    if not work.spec.setup:
        return
    admin = people.find_user_by_email(email=work.spec.admins[0])
    if admin is None:
        raise ProvisioningError("The first administrator is gone.")
    seeds.seed_tenant(
        tenant_id=work.tenant.id, flags=work.spec.setup, created_by=admin.id, at=work.at
    )


def _sign_in(work: Work) -> None:
    sign_in.configure(
        tenant_id=work.tenant.id, spec=work.spec.auth, secrets=work.secrets, at=work.at
    )


def _limits(work: Work) -> None:
    configure(work.spec, work.tenant)
    mail_servers.configure(
        tenant_id=work.tenant.id, spec=work.spec.mail, secrets=work.secrets, at=work.at
    )


def configure(spec: TenantSpec, tenant: Tenant) -> None:
    tenants.change_limits(tenant_id=tenant.id, limits=spec.limits.limits(present=tenant.limits))
    lifetimes.set_declared(tenant_id=tenant.id, declared=spec.limits.lifetimes())
    tenants.change_details(
        tenant_id=tenant.id,
        name=spec.name,
        quotas=spec.limits.quotas(),
        features=spec.features,
    )
    registering.allow(tenant_id=tenant.id, email_domains=spec.registration)


def _audit(work: Work) -> None:
    """Not served before every change would be recorded."""
    schema = work.tenant.schema_name
    alias = fleet.MIGRATION_ALIAS
    with context.operator(), transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("SELECT to_regclass(format('%%I.audit_outbox', %s::text))", [schema])
        if cursor.fetchone()[0] is None:
            raise ProvisioningError("The schema has no audit outbox.")
        triggers.install(cursor, schema=schema, shared=False)


def _activate(work: Work) -> None:
    tenant = work.tenant
    with context.operator(), transaction.atomic():
        # In one transaction: one that is declared suspended is not served for a moment.
        if tenant.state == TenantState.PROVISIONING:
            tenants.change_state(tenant_id=tenant.id, to=TenantState.ACTIVE, at=work.at)
        if work.spec.state == TenantState.SUSPENDED:
            tenants.change_state(
                tenant_id=tenant.id,
                to=TenantState.SUSPENDED,
                at=work.at,
                reason=SUSPENDED_AS_DECLARED,
            )


def _announce(work: Work) -> None:
    # Again, although activation did: a process that died between its commit and the announcement
    # would leave others answering "being set up" for a minute.
    routing.announce_change()


_STEPS: Mapping[Step, Callable[[Work], None]] = {
    Step.ROW: _row,
    Step.DOMAINS: _domains,
    Step.SCHEMA: _schema,
    Step.ADMINS: _admins,
    Step.SEEDS: plant,
    Step.SIGN_IN: _sign_in,
    Step.LIMITS: _limits,
    Step.AUDIT: _audit,
    Step.ACTIVATE: _activate,
    Step.ANNOUNCE: _announce,
}
