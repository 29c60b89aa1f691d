"""A tenant whose people sign in by Entra ID, as far as the product can tell."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared_apps.authn import configuring
from shared_apps.authn.configuring import Wanted
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.directories.oidc_provider import OidcProvider


def use_entra(
    tenant: TenantIdentity,
    provider: OidcProvider,
    *,
    secrets: Mapping[str, str] | None = None,
    **options: Any,
) -> None:
    """Administrators by group; everybody else of the directory reads."""
    directory = provider.directories[tenant.slug]
    wanted = Wanted(
        kind="entra_id",
        options={
            **directory.options,
            "role_groups": {"admin": [f"{tenant.slug}-admins"]},
            "default_role": "viewer",
            **options,
        },
        secrets=directory.secrets if secrets is None else secrets,
    )
    configuring.configure(tenant_id=tenant.id, wanted=wanted, at=datetime.now(UTC))


def assert_no_session() -> None:
    with context.operator():
        assert (Session.objects.count(), RefreshToken.objects.count()) == (0, 0)
