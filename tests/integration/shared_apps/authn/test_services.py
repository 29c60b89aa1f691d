from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.test import override_settings

from shared_apps.accounts import cross_tenant_roles
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import CrossTenantRole
from shared_apps.accounts.models import User
from shared_apps.authn import password_changing, selectors
from shared_apps.authn.errors import (
    InvalidCredentialsError,
    InvalidTokenError,
    LoginExpiredError,
    NoMembershipError,
    SessionNotFoundError,
)
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.services import ending, refreshing, signing_in
from shared_apps.authn.services.issuing import TokenPair
from shared_apps.authn.services.opening import Client
from shared_apps.authn.tokens import AccessToken
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import TenantSuspendedError
from tests.concurrency import at_once
from tests.installation import PASSWORD
from tests.people import Person, make_person

NOW = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
CLIENT = Client(ip="192.0.2.7", user_agent="test")


def sign_in(
    person: Person, tenant: TenantIdentity | None, at: datetime = NOW
) -> tuple[SignIn, TokenPair]:
    return signing_in.sign_in(
        tenant_id=tenant.id if tenant else None,
        username=person.email,
        password=person.password,
        client=CLIENT,
        at=at,
    )


def use(pair: TokenPair, tenant: TenantIdentity | None, at: datetime = NOW) -> SignIn:
    """What a request with the access token gets."""
    tenant_id = tenant.id if tenant else None
    claims = AccessToken.read(pair.access, tenant_id=tenant_id, at=at)
    return selectors.get_sign_in(claims=claims, at=at)


def refresh(pair: TokenPair, tenant: TenantIdentity, at: datetime) -> TokenPair:
    return refreshing.refresh(tenant_id=tenant.id, token=pair.refresh, at=at)


def session_of(user_id: UUID) -> Session:
    with context.operator():
        return Session.objects.get(user_id=user_id)


def count_tokens(user_id: UUID) -> int:
    with context.operator():
        return RefreshToken.objects.filter(session__user_id=user_id).count()


def test_sign_in_opens_a_session(acme: TenantIdentity) -> None:
    person = make_person(acme, "editor")

    signed_in, pair = sign_in(person, acme)

    assert (signed_in.roles, signed_in.user.id, pair.expires_in) == (("editor",), person.id, 900)
    session = session_of(person.id)
    assert (session.tenant_id, session.backend, session.ip) == (acme.id, "database", "192.0.2.7")
    assert session.auth_time == session.created_at == session.last_used_at == NOW
    assert session.expires_at == NOW + settings.MAX_LOGIN_LIFETIME
    assert use(pair, acme) == signed_in


def test_a_request_costs_one_query(acme: TenantIdentity, django_assert_num_queries: Any) -> None:
    _, pair = sign_in(make_person(acme), acme)
    auditor = make_auditor(acme)
    _, public = sign_in(auditor, None)

    with django_assert_num_queries(1):
        use(pair, acme)
    with django_assert_num_queries(1):
        use(public, None)


def make_auditor(tenant: TenantIdentity) -> Person:
    user = accounts.create_managed_person(
        email="anna@example.com", name="", password=PASSWORD, at=NOW
    )
    cross_tenant_roles.grant_role(
        tenant_id=tenant.id, user_id=user.id, role=CrossTenantRole.AUDITOR, by=None, at=NOW
    )
    return Person(id=user.id, email=user.email)


@pytest.mark.parametrize("username", ["GRACE@acme.example", " grace@acme.example"])
def test_sign_in_takes_any_spelling_of_the_address(acme: TenantIdentity, username: str) -> None:
    accounts.ensure_admin(tenant_id=acme.id, email="grace@acme.example", password=PASSWORD, at=NOW)

    signed_in, _ = signing_in.sign_in(
        tenant_id=acme.id, username=username, password=PASSWORD, client=CLIENT, at=NOW
    )

    assert signed_in.user.email == "grace@acme.example"


def test_a_disabled_person_is_refused_at_sign_in_and_in_a_session(acme: TenantIdentity) -> None:
    person = make_person(acme)
    _, pair = sign_in(person, acme)
    with context.operator():
        User.objects.filter(id=person.id).update(is_active=False)

    with pytest.raises(InvalidCredentialsError):
        sign_in(person, acme)
    with pytest.raises(InvalidTokenError):
        use(pair, acme)
    with pytest.raises(InvalidTokenError):
        refresh(pair, acme, NOW)

    assert count_tokens(person.id) == 1


def test_only_operators_and_cross_tenant_people_sign_in_at_the_public_host(
    acme: TenantIdentity,
) -> None:
    admin, auditor = make_person(acme, "admin"), make_auditor(acme)
    operator = accounts.create_operator(
        email="otto@example.com", name="", password=PASSWORD, at=NOW
    )

    with pytest.raises(NoMembershipError):
        sign_in(admin, None)
    assert sign_in(auditor, None)[0].roles == ("auditor",)
    signed_in, pair = sign_in(Person(id=operator.id, email=operator.email), None)
    assert signed_in.roles == use(pair, None).roles == ("operator",)
    with pytest.raises(NoMembershipError):
        sign_in(auditor, acme)


def test_refresh_gives_a_new_pair_and_moves_neither_sign_in_nor_session(
    acme: TenantIdentity,
) -> None:
    person = make_person(acme)
    signed_in, pair = sign_in(person, acme)

    for minute in range(1, 6):
        at = NOW + timedelta(minutes=minute)
        pair = refresh(pair, acme, at)
        assert use(pair, acme, at).session_id == signed_in.session_id

    session = session_of(person.id)
    assert (session.auth_time, session.last_used_at) == (NOW, NOW + timedelta(minutes=5))
    assert count_tokens(person.id) == 6


def test_a_token_that_is_used_again_at_once_is_refused_without_harm(acme: TenantIdentity) -> None:
    person = make_person(acme)
    _, pair = sign_in(person, acme)
    renewed = refresh(pair, acme, NOW)

    with pytest.raises(InvalidTokenError):
        refresh(pair, acme, NOW + refreshing.REPLAY_LEEWAY)

    assert use(renewed, acme).user.id == person.id
    assert session_of(person.id).revoked_at is None


def test_a_token_that_is_used_again_later_ends_the_session(acme: TenantIdentity) -> None:
    person = make_person(acme)
    _, pair = sign_in(person, acme)
    renewed = refresh(pair, acme, NOW)
    later = NOW + refreshing.REPLAY_LEEWAY + timedelta(microseconds=1)

    with pytest.raises(InvalidTokenError):
        refresh(pair, acme, later)

    session = session_of(person.id)
    assert (session.revoked_at, session.revoked_reason) == (later, "REFRESH_REPLAYED")
    with pytest.raises(InvalidTokenError):
        use(renewed, acme, later)
    with pytest.raises(InvalidTokenError):
        refresh(renewed, acme, later)


@override_settings(MAX_LOGIN_LIFETIME=timedelta(hours=1))
def test_refresh_ends_with_the_greatest_age_of_a_sign_in(acme: TenantIdentity) -> None:
    person = make_person(acme)
    _, pair = sign_in(person, acme)

    pair = refresh(pair, acme, NOW + timedelta(minutes=59))

    assert pair.expires_in == 60
    with pytest.raises(LoginExpiredError):
        refresh(pair, acme, NOW + timedelta(minutes=61))


def test_a_lowered_greatest_age_counts_for_live_sessions(acme: TenantIdentity) -> None:
    _, pair = sign_in(make_person(acme), acme)
    at = NOW + timedelta(minutes=10)
    use(pair, acme, at)

    with override_settings(MAX_LOGIN_LIFETIME=timedelta(minutes=10)):
        with pytest.raises(LoginExpiredError):
            use(pair, acme, at)
        with pytest.raises(LoginExpiredError):
            refresh(pair, acme, at)


def test_a_suspended_tenant_refuses_a_token_by_itself(acme: TenantIdentity) -> None:
    _, pair = sign_in(make_person(acme), acme)
    tenants.change_state(tenant_id=acme.id, to=TenantState.SUSPENDED, at=NOW, reason="unpaid")
    try:
        with pytest.raises(TenantSuspendedError):
            use(pair, acme)
        with pytest.raises(TenantSuspendedError):
            refresh(pair, acme, NOW)
    finally:
        tenants.change_state(tenant_id=acme.id, to=TenantState.ACTIVE, at=NOW)

    assert use(pair, acme)
    assert refresh(pair, acme, NOW)


def test_sign_out_ends_the_session_once(acme: TenantIdentity) -> None:
    person = make_person(acme)
    _, pair = sign_in(person, acme)
    ending.sign_out(tenant_id=acme.id, token=pair.refresh, at=NOW)

    assert session_of(person.id).revoked_reason == "SIGNED_OUT"
    with pytest.raises(InvalidTokenError):
        use(pair, acme)
    with pytest.raises(InvalidTokenError):
        ending.sign_out(tenant_id=acme.id, token=pair.refresh, at=NOW)


def test_sign_out_works_with_a_token_that_was_exchanged(acme: TenantIdentity) -> None:
    _, pair = sign_in(make_person(acme), acme)
    renewed = refresh(pair, acme, NOW)

    ending.sign_out(tenant_id=acme.id, token=pair.refresh, at=NOW)

    with pytest.raises(InvalidTokenError):
        use(renewed, acme)


def test_own_sessions_are_listed_and_ended(acme: TenantIdentity) -> None:
    person, other = make_person(acme), make_person(acme)
    first, _ = sign_in(person, acme)
    second, pair = sign_in(person, acme, NOW + timedelta(seconds=1))
    foreign, _ = sign_in(other, acme)
    own = {"user_id": person.id, "tenant_id": acme.id, "at": NOW}

    ending.end_session(session_id=first.session_id, **own)

    with context.operator():
        live = list(selectors.list_live_sessions(**own))
    assert [session.id for session in live] == [second.session_id]
    for session_id in (first.session_id, foreign.session_id):
        with pytest.raises(SessionNotFoundError):
            ending.end_session(session_id=session_id, **own)
    assert use(pair, acme, NOW + timedelta(seconds=1))


@pytest.mark.parametrize("keep_current", [True, False])
def test_changing_the_password_ends_all_sessions_everywhere(
    acme: TenantIdentity, globex: TenantIdentity, keep_current: bool
) -> None:
    person = make_person(acme)
    accounts.ensure_admin(tenant_id=globex.id, email=person.email, password=None, at=NOW)
    current, pair = sign_in(person, acme)
    _, other = sign_in(person, acme)
    _, elsewhere = sign_in(person, globex)

    password_changing.change_password(
        sign_in=current, old_password=PASSWORD, new_password="another good one",
        keep_current=keep_current, at=NOW,
    )  # fmt: skip

    if keep_current:
        assert use(pair, acme) == current
    for ended, tenant in (
        (other, acme),
        (elsewhere, globex),
        *([] if keep_current else [(pair, acme)]),
    ):
        with pytest.raises(InvalidTokenError):
            use(ended, tenant)


def test_delete_expired_sessions_deletes_what_ended_long_ago(acme: TenantIdentity) -> None:
    ended, revoked, live = (make_person(acme) for _ in range(3))
    lifetime = settings.REFRESH_TOKEN_LIFETIME
    long_ago = NOW - lifetime - settings.MAX_LOGIN_LIFETIME - timedelta(seconds=1)
    sign_in(ended, acme, long_ago)
    _, pair = sign_in(revoked, acme, long_ago + timedelta(hours=1))
    ending.sign_out(tenant_id=acme.id, token=pair.refresh, at=long_ago + timedelta(hours=2))
    # Ended, but not long enough ago to forget it.
    sign_in(live, acme, long_ago + timedelta(seconds=2))
    _, pair = sign_in(live, acme)

    assert ending.delete_expired_sessions(at=NOW) == 2
    assert ending.delete_expired_sessions(at=NOW) == 0

    assert [count_tokens(person.id) for person in (ended, revoked, live)] == [0, 0, 2]
    assert use(pair, acme)


@pytest.mark.parametrize("attempt", range(5))
def test_signing_in_while_the_role_is_taken_away_leaves_no_session(
    acme: TenantIdentity, attempt: int
) -> None:
    person = make_person(acme)

    def take_away() -> None:
        accounts.revoke_role(tenant_id=acme.id, user_id=person.id, by=None)

    signed_in, taken = at_once([lambda: sign_in(person, acme), take_away])

    assert taken is None
    if isinstance(signed_in, tuple):
        with pytest.raises(NoMembershipError):
            use(signed_in[1], acme)
    else:
        assert isinstance(signed_in, NoMembershipError)
