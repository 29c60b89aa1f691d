"""Another name for a tenant, and a second tenant with the same data."""

import tempfile
from datetime import datetime
from pathlib import Path

from shared_apps.onboarding.archive.exporting import Report, export_tenant
from shared_apps.onboarding.archive.restoring import restore_tenant
from shared_apps.onboarding.errors import DomainMissingError
from shared_apps.onboarding.provisioning import locks
from shared_apps.tenants import names
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.errors import StateTransitionError, TenantExistsError
from shared_apps.tenants.models import Tenant


def rename_tenant(*, slug: str, to: str, domains: tuple[str, ...] = ()) -> Tenant:
    """Give a tenant another slug. Without `domains` its hosts `<slug>.…` become `<to>.…`, others stay.

    Sign-ins go on: they name the tenant by its id.

    Raises:
        TenantNotFoundError, TenantNameError, ReservedNameError, DomainNameError: nothing was changed.
        StateTransitionError: it is being made or deleted.
        TenantExistsError, DomainTakenError: another one has the name.
    """
    # Whoever makes the one or the other has finished first, always in the same order.
    with locks.only_worker(min(slug, to)), locks.only_worker(max(slug, to)):
        tenant = tenants_read.get_tenant(slug=slug)
        if tenant.state in UNFINISHED or tenant.state == TenantState.DELETED:
            raise StateTransitionError(
                f"A tenant that is {tenant.state} cannot be renamed.", state=tenant.state
            )
        hosts = _given(domains) or tuple(_renamed(host, slug, to) for host in _hosts(tenant))
        tenants.rename_tenant(tenant_id=tenant.id, slug=to, domains=hosts)
    return tenants_read.get_tenant(slug=to)


def clone_tenant(
    *,
    slug: str,
    to: str,
    at: datetime,
    domains: tuple[str, ...] = (),
    report: Report = lambda line: None,
) -> Tenant:
    """Make a second tenant with the data, files and people of one, through an archive that is removed.

    Without `domains` it answers at `<to>.…` for each host `<slug>.…`.

    Raises:
        DomainMissingError: there is no such host; nothing was changed.
        AppError: as `export_tenant` and `restore_tenant`.
    """
    names.validate_slug(to)
    tenant = tenants_read.get_tenant(slug=slug)
    if tenants_read.is_registered(slug=to):
        raise TenantExistsError(slug=to)
    present = set(_hosts(tenant))
    own = tuple(_renamed(host, slug, to) for host in _hosts(tenant))
    hosts = _given(domains) or tuple(host for host in own if host not in present)
    if not hosts:
        raise DomainMissingError
    with tempfile.TemporaryDirectory(prefix="freehold-clone-") as directory:
        path = Path(directory) / f"{slug}.tar.gz"
        export_tenant(slug=slug, path=path, at=at, report=report)
        return restore_tenant(path=path, slug=to, domains=hosts, at=at, report=report)


def _given(domains: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(names.canonical_host(domain) for domain in domains)


def _hosts(tenant: Tenant) -> list[str]:
    return [domain.domain for domain in tenant.domains.all()]


def _renamed(host: str, slug: str, to: str) -> str:
    first, _, rest = host.partition(".")
    return f"{to}.{rest}" if first == slug and rest else host
