"""Provisioning of a tenant: recorded in its state, and safe to run again after any failure."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from shared_apps.accounts import services as accounts
from shared_apps.accounts.emails import validated_email
from shared_apps.core import context
from shared_apps.fleet import services as fleet
from shared_apps.onboarding import schemas
from shared_apps.onboarding.errors import ProvisioningError
from shared_apps.tenants import names
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import DomainTakenError, TenantExistsError
from shared_apps.tenants.models import Domain, Tenant

logger = logging.getLogger(__name__)

_UNFINISHED = (TenantState.PENDING, TenantState.PROVISIONING, TenantState.FAILED)


@dataclass(frozen=True, slots=True)
class TenantRequest:
    """What is asked for. `domains`: the first is primary. Names are validated by `create_tenant`."""

    slug: str
    name: str
    domains: tuple[str, ...]
    admin_email: str
    admin_password: str | None = None


def create_tenant(*, request: TenantRequest, at: datetime) -> Tenant:
    """Set a tenant up and make it active. One that was left unfinished under this name is completed.

    Raises:
        TenantNameError, ReservedNameError, DomainNameError, EmailError: nothing was changed.
        TenantExistsError, DomainTakenError: nothing was changed.
        ProvisioningError: a step failed; the tenant is FAILED, says why, and can be tried again.
    """
    slug = names.validate_slug(request.slug)
    domains = [names.canonical_host(domain) for domain in request.domains]
    email = validated_email(request.admin_email)
    tenant = _register(slug, request.name, domains, at)
    try:
        schemas.ensure_schema(tenant.identity)
        fleet.migrate_tenant(tenant.identity)
        accounts.ensure_admin(
            tenant_id=tenant.id, email=email, password=request.admin_password, at=at
        )
    except Exception as error:
        logger.exception("Provisioning failed")
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        tenants.change_state(tenant_id=tenant.id, to=TenantState.FAILED, at=at, error=reason)
        raise ProvisioningError(f"{slug}: {reason}") from error
    return tenants.change_state(tenant_id=tenant.id, to=TenantState.ACTIVE, at=at)


def repair_tenant(*, slug: str) -> Tenant:
    """Make the role of a tenant if it is gone, and give it back its rights; its rows stay as they are.

    Raises:
        TenantNotFoundError: no such tenant.
    """
    tenant = tenants_read.get_tenant(slug=slug)
    schemas.ensure_schema(tenant.identity)
    fleet.migrate_tenant(tenant.identity)
    return tenant


def _register(slug: str, name: str, domains: list[str], at: datetime) -> Tenant:
    """The rows of a tenant in state PROVISIONING: new ones, or those of an unfinished attempt."""
    schema = names.schema_of(slug)
    role = names.role_of(schema, database=settings.DATABASES["default"]["NAME"])
    with context.operator(), transaction.atomic():
        tenant = Tenant.objects.select_for_update().filter(slug=slug).first()
        if tenant is None:
            tenant = Tenant(slug=slug, name=name, schema_name=schema, role_name=role)
            tenant.save()
        elif tenant.state not in _UNFINISHED:
            raise TenantExistsError(slug=slug)
        for number, domain in enumerate(domains):
            found = Domain.objects.filter(domain=domain).first()
            if found is not None and found.tenant_id != tenant.id:
                raise DomainTakenError(domain=domain)
            if found is None:
                Domain(domain=domain, tenant=tenant, is_primary=number == 0).save()
        if tenant.state != TenantState.PROVISIONING:
            tenants.change_state(tenant_id=tenant.id, to=TenantState.PROVISIONING, at=at)
    return tenant
