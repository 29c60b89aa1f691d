"""How long sign-ins at a tenant last: what the installation allows, or less. In the operator's context."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared_apps.authn import tokens
from shared_apps.authn.models import SignInPolicy
from shared_apps.authn.tokens import Lifetimes
from shared_apps.core import context


@dataclass(frozen=True, slots=True)
class Declared:
    """What a tenant asks for; None: as long as the installation allows."""

    access_token_minutes: int | None = None
    refresh_token_days: int | None = None
    max_login_hours: int | None = None


_NOTHING = Declared()


def effective(declared: Declared) -> Lifetimes:
    """Never longer than the installation's, whatever was allowed when it was declared."""
    installed = tokens.installed_lifetimes()
    if declared == _NOTHING:
        return installed
    access, refresh, login = (
        declared.access_token_minutes, declared.refresh_token_days, declared.max_login_hours
    )  # fmt: skip
    return Lifetimes(
        access=min(installed.access, timedelta(minutes=access)) if access else installed.access,
        refresh=min(installed.refresh, timedelta(days=refresh)) if refresh else installed.refresh,
        login=min(installed.login, timedelta(hours=login)) if login else installed.login,
    )


def get_lifetimes(*, tenant_id: UUID | None) -> Lifetimes:
    """At a tenant, or for None at the public host."""
    if tenant_id is None:
        return tokens.installed_lifetimes()
    return effective(declared_of([tenant_id]).get(tenant_id, Declared()))


def declared_of(tenant_ids: Collection[UUID]) -> dict[UUID, Declared]:
    """Of those of these tenants that ask for something."""
    with context.operator():
        found = SignInPolicy.objects.filter(tenant_id__in=tenant_ids)
        return {
            policy.tenant_id: Declared(
                policy.access_token_minutes, policy.refresh_token_days, policy.max_login_hours
            )
            for policy in found
        }


def set_declared(*, tenant_id: UUID, declared: Declared) -> None:
    """Counts from the next request on, also for those who are signed in."""
    with context.operator():
        if declared == _NOTHING:
            SignInPolicy.objects.filter(tenant_id=tenant_id).delete()
            return
        SignInPolicy.objects.update_or_create(
            tenant_id=tenant_id,
            defaults={
                "access_token_minutes": declared.access_token_minutes,
                "refresh_token_days": declared.refresh_token_days,
                "max_login_hours": declared.max_login_hours,
            },
        )
