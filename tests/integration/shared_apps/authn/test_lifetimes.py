"""Sign-ins of a tenant last as long as it declared, and never longer than the installation allows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shared_apps.authn import lifetimes
from shared_apps.authn.errors import InvalidTokenError, LoginExpiredError
from shared_apps.authn.lifetimes import Declared
from shared_apps.authn.models import Session
from shared_apps.authn.selectors import get_sign_in, list_live_permissions
from shared_apps.authn.services import issuing, opening, refreshing, signing_in
from shared_apps.authn.tokens import AccessToken
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.attacks.forgery import claims_in
from tests.client import Api
from tests.people import make_person

ApiFactory = Callable[..., Api]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def installed(settings: object) -> None:
    settings.ACCESS_TOKEN_LIFETIME = timedelta(minutes=60)  # type: ignore[attr-defined]  # pytest-django's


def sign_in(tenant: TenantIdentity) -> issuing.TokenPair:
    person = make_person(tenant)
    _, pair = signing_in.sign_in(
        tenant_id=tenant.id, username=person.email, password=person.password,
        client=opening.Client(ip=None, user_agent=""), at=START,
    )  # fmt: skip
    return pair


def minutes_of(pair: issuing.TokenPair) -> tuple[int, int]:
    return tuple((claims_in(token)["exp"] - int(START.timestamp())) // 60
                 for token in (pair.access, pair.refresh))  # type: ignore[return-value]  # two  # fmt: skip


def is_good(tenant: TenantIdentity, pair: issuing.TokenPair, minutes: int) -> bool:
    at = START + timedelta(minutes=minutes)
    claims = AccessToken.read(pair.access, tenant_id=tenant.id, at=at)
    get_sign_in(claims=claims, at=at)
    return True


def test_what_was_declared_counts_here_and_only_here(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    lifetimes.set_declared(tenant_id=acme.id, declared=Declared(15, 1, 4))

    assert minutes_of(sign_in(acme)) == (15, 4 * 60)
    assert minutes_of(sign_in(globex)) == (60, 12 * 60)


def test_it_counts_for_those_who_are_signed_in(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    pairs = {tenant: sign_in(tenant) for tenant in (acme, globex)}
    assert is_good(acme, pairs[acme], 59)

    lifetimes.set_declared(tenant_id=acme.id, declared=Declared(access_token_minutes=20))

    assert is_good(acme, pairs[acme], 19)
    with pytest.raises(InvalidTokenError):
        is_good(acme, pairs[acme], 20)
    assert is_good(globex, pairs[globex], 59)
    lifetimes.set_declared(tenant_id=acme.id, declared=Declared())
    assert is_good(acme, pairs[acme], 59)


def test_a_sign_in_ends_when_it_is_too_old_for_its_tenant(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    pairs = {tenant: sign_in(tenant) for tenant in (acme, globex)}
    lifetimes.set_declared(tenant_id=acme.id, declared=Declared(max_login_hours=1))
    at = START + timedelta(hours=1)

    with pytest.raises(LoginExpiredError):
        refreshing.refresh(tenant_id=acme.id, token=pairs[acme].refresh, at=at)
    refreshing.refresh(tenant_id=globex.id, token=pairs[globex].refresh, at=at)
    with context.operator():
        sessions = {s.id: s.tenant_id for s in Session.objects.all()}
    live = list_live_permissions(session_ids=list(sessions), at=at)
    assert [sessions[id] for id in live] == [globex.id]


def test_a_refresh_token_is_too_old_for_its_tenant(acme: TenantIdentity, settings: object) -> None:
    settings.MAX_LOGIN_LIFETIME = timedelta(days=30)  # type: ignore[attr-defined]  # pytest-django's
    pair = sign_in(acme)
    lifetimes.set_declared(tenant_id=acme.id, declared=Declared(refresh_token_days=1))

    with pytest.raises(InvalidTokenError):
        refreshing.refresh(tenant_id=acme.id, token=pair.refresh, at=START + timedelta(days=1))
    early = START + timedelta(days=1, seconds=-1)
    renewed = refreshing.refresh(tenant_id=acme.id, token=pair.refresh, at=early)
    assert claims_in(renewed.refresh)["exp"] == int((early + timedelta(days=1)).timestamp())


def test_the_installation_is_never_outdone(acme: TenantIdentity, settings: object) -> None:
    lifetimes.set_declared(tenant_id=acme.id, declared=Declared(60, 30, 720))
    settings.ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)  # type: ignore[attr-defined]  # pytest-django's

    assert minutes_of(sign_in(acme)) == (15, 12 * 60)
