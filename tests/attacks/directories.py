"""Tenants that sign in by directories, and what an attack on them must have left as it was."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared_apps.accounts.models import Identity, User
from shared_apps.authn import configuring
from shared_apps.authn.backends.ldap.openldap import OpenLdapBackend
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.authn.recognition import recognise
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api

if TYPE_CHECKING:
    from tests.directories.slapd import Slapd


def use(tenant: TenantIdentity, server: "Slapd", **options: Any) -> None:
    """Have a tenant's people sign in by this directory from now on."""
    wanted = configuring.Wanted(
        kind="openldap",
        options=server.options(default_role="viewer", **options),
        secrets={"bind_password": server.bind_password},
    )
    configuring.configure(tenant_id=tenant.id, wanted=wanted, at=datetime.now(UTC))


def by_passwords_again(*tenants: TenantIdentity) -> None:
    for tenant in tenants:
        wanted = configuring.Wanted(kind="database")
        configuring.configure(tenant_id=tenant.id, wanted=wanted, at=datetime.now(UTC))


def backend_of(tenant: TenantIdentity, server: "Slapd", **options: Any) -> OpenLdapBackend:
    return OpenLdapBackend(server.configuration(tenant.id, **options), recognise)


def sign_in(client: Api, username: str, password: str) -> Any:
    return client.post("auth/login/", {"username": username, "password": password})


def assert_nothing_changed(people: int) -> None:
    with context.operator():
        assert (Session.objects.count(), RefreshToken.objects.count()) == (0, 0)
        assert (Identity.objects.count(), User.objects.count()) == (0, people)


def count_people() -> int:
    with context.operator():
        return User.objects.count()


def assert_unavailable(response: Any) -> None:
    assert response.status_code == 503
    assert response.json()["code"] == "auth_backend_unavailable"
    assert response.json()["details"] in ({}, None, [])
    assert response.headers["Retry-After"] == "15"
