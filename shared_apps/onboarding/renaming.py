"""Another name for a tenant, and a second tenant with the same data."""

import tempfile
from datetime import datetime
from pathlib import Path

from django.conf import settings

from shared_apps.onboarding.archive import secrets
from shared_apps.onboarding.archive.exporting import Report, export_tenant
from shared_apps.onboarding.archive.restoring import restore_tenant
from shared_apps.onboarding.errors import DomainMissingError
from shared_apps.onboarding.provisioning import locks
from shared_apps.tenants import names
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.errors import DomainNameError, StateTransitionError, TenantExistsError
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
        require_renamable(tenant)
        hosts = _given(domains) or tuple(_renamed(host, slug, to) for host in _hosts(tenant))
        tenants.rename_tenant(tenant_id=tenant.id, slug=to, domains=hosts)
    return tenants_read.get_tenant(slug=to)


def require_renamable(tenant: Tenant) -> None:
    """Raises StateTransitionError."""
    if tenant.state in UNFINISHED or tenant.state == TenantState.DELETED:
        raise StateTransitionError(
            f"A tenant that is {tenant.state} cannot be renamed.", state=tenant.state
        )
    if tenant.delete_after is not None:
        # Its backup names it as it is, and so does whoever waits for its end.
        raise StateTransitionError(
            "A tenant that is going to be deleted cannot be renamed; take it back first.",
            state=tenant.state,
            delete_after=tenant.delete_after.isoformat(),
        )


def clone_tenant(
    *,
    slug: str,
    to: str,
    at: datetime,
    domains: tuple[str, ...] = (),
    report: Report = lambda line: None,
    directory: Path | None = None,
) -> Tenant:
    """Make a second tenant with the data, files and people of one, through an archive that is removed.

    Without `domains` it answers at `<to>.…` for each host `<slug>.…`. The archive is in `directory`, or else
    where temporary files are.

    Raises:
        DomainMissingError: there is no such host; nothing was changed.
        AppError: as `export_tenant` and `restore_tenant`.
    """
    names.validate_slug(to)
    tenant = tenants_read.get_tenant(slug=slug)
    if tenants_read.is_registered(slug=to):
        raise TenantExistsError(slug=to)
    present = set(_hosts(tenant))
    renamed = tuple(_renamed(host, slug, to) for host in _hosts(tenant))
    hosts = _given(domains) or tuple(host for host in renamed if host not in present)
    if not hosts:
        raise DomainMissingError
    with tempfile.TemporaryDirectory(prefix="freehold-clone-", dir=directory) as own_directory:
        path = Path(own_directory) / f"{slug}.tar.gz"
        export_tenant(slug=slug, path=path, at=at, report=report)
        return restore_tenant(
            path=path, slug=to, domains=hosts, at=at, report=report,
            secrets=secrets.present(tenant_id=tenant.id),
        )  # fmt: skip


def _given(domains: tuple[str, ...]) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(names.canonical_host(domain) for domain in domains))
    if settings.PUBLIC_HOST in hosts:
        raise DomainNameError(f"{settings.PUBLIC_HOST} is the operators' host.")
    return hosts


def _hosts(tenant: Tenant) -> list[str]:
    return [domain.domain for domain in tenant.domains.all()]


def _renamed(host: str, slug: str, to: str) -> str:
    first, _, rest = host.partition(".")
    return f"{to}.{rest}" if first == slug and rest else host
