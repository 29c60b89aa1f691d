from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from django.conf import settings
from django.test import override_settings

from shared_apps.authn.errors import InvalidTokenError, LoginExpiredError
from shared_apps.authn.models import Session
from shared_apps.authn.tokens import AccessToken, RefreshToken, fingerprint

NOW = datetime(2026, 3, 29, 12, 0, 0, tzinfo=UTC)
TENANT = uuid4()
KINDS = [AccessToken, RefreshToken]


def session(tenant_id: UUID | None = TENANT, auth_time: datetime = NOW) -> Session:
    return Session(id=uuid4(), user_id=uuid4(), tenant_id=tenant_id, auth_time=auth_time)


def claims_in(raw: str) -> dict[str, object]:
    return dict(jwt.decode(raw, options={"verify_signature": False}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tenant_id", [TENANT, None])
def test_a_token_is_read_where_it_was_issued_for(
    kind: type[AccessToken], tenant_id: UUID | None
) -> None:
    opened = session(tenant_id)
    token = kind.issue(session=opened, at=NOW)

    claims = kind.read(str(token), tenant_id=tenant_id, at=NOW)

    assert (claims.session_id, claims.user_id) == (opened.id, opened.user_id)
    assert (claims.tenant_id, claims.jti) == (tenant_id, token.jti)


def test_the_claims_are_those_of_the_design_and_no_role() -> None:
    raw = str(AccessToken.issue(session=session(), at=NOW))

    assert set(claims_in(raw)) == {
        "iss", "aud", "sub", "tid", "sid", "jti", "typ", "auth_time", "iat", "nbf", "exp"
    }  # fmt: skip
    assert claims_in(raw)["aud"] == claims_in(raw)["tid"] == str(TENANT)
    assert claims_in(raw)["iss"] == settings.JWT_ISSUER
    assert jwt.get_unverified_header(raw) == {
        "alg": "HS256", "typ": "JWT", "kid": next(iter(settings.JWT_SIGNING_KEYS))
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("elsewhere", [uuid4(), None])
def test_a_token_is_good_at_one_tenant_only(
    kind: type[AccessToken], elsewhere: UUID | None
) -> None:
    raw = str(kind.issue(session=session(), at=NOW))

    with pytest.raises(InvalidTokenError):
        kind.read(raw, tenant_id=elsewhere, at=NOW)


def test_an_access_token_ends_with_its_lifetime() -> None:
    raw = str(AccessToken.issue(session=session(), at=NOW))
    end = NOW + settings.ACCESS_TOKEN_LIFETIME

    AccessToken.read(raw, tenant_id=TENANT, at=end - timedelta(seconds=1))
    with pytest.raises(InvalidTokenError):
        AccessToken.read(raw, tenant_id=TENANT, at=end)


@pytest.mark.parametrize("kind", KINDS)
def test_no_token_outlives_the_sign_in(kind: type[AccessToken]) -> None:
    opened = session(auth_time=NOW - settings.MAX_LOGIN_LIFETIME + timedelta(minutes=1))

    token = kind.issue(session=opened, at=NOW)

    assert token.expires_at == NOW + timedelta(minutes=1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_sign_in_is_told_apart_from_a_bad_token(kind: type[AccessToken]) -> None:
    raw = str(kind.issue(session=session(), at=NOW))

    with pytest.raises(LoginExpiredError):
        kind.read(raw, tenant_id=TENANT, at=NOW + settings.MAX_LOGIN_LIFETIME)


@override_settings(MAX_LOGIN_LIFETIME=timedelta(days=30))
def test_a_refresh_token_ends_with_its_own_lifetime() -> None:
    raw = str(RefreshToken.issue(session=session(), at=NOW))

    with pytest.raises(InvalidTokenError):
        RefreshToken.read(raw, tenant_id=TENANT, at=NOW + settings.REFRESH_TOKEN_LIFETIME)


def test_a_clock_may_be_a_little_ahead() -> None:
    raw = str(AccessToken.issue(session=session(), at=NOW))

    AccessToken.read(raw, tenant_id=TENANT, at=NOW - timedelta(seconds=5))
    with pytest.raises(InvalidTokenError):
        AccessToken.read(raw, tenant_id=TENANT, at=NOW - timedelta(seconds=6))


def test_a_fingerprint_is_of_the_whole_token() -> None:
    raw = str(RefreshToken.issue(session=session(), at=NOW))

    assert len(fingerprint(raw)) == 64
    assert fingerprint(raw) != fingerprint(raw[:-1])
