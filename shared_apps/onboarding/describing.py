"""A tenant that exists, in the words of its declaration."""

from dataclasses import asdict
from typing import Any

from shared_apps.accounts import selectors as people
from shared_apps.authn import registering
from shared_apps.core import context
from shared_apps.mail import configuring as mail
from shared_apps.onboarding import mail_servers, sign_in
from shared_apps.onboarding.declaration.specs import LimitsSpec
from shared_apps.tenants.models import Tenant


def present_limits(tenant: Tenant) -> LimitsSpec:
    with context.operator():
        # Loaded with the tenants of a plan; most have none.
        policy = getattr(tenant, "sign_in_policy", None)
    return LimitsSpec(
        plan=tenant.plan or None,
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
