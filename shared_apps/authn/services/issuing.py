"""The tokens of a session, and the rows that go with them, in one statement. In the operator's context."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models

from shared_apps.authn import tokens
from shared_apps.authn.lifetimes import get_lifetimes
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.authn.tokens import Lifetimes
from shared_apps.core import attribution


@dataclass(frozen=True)
class TokenPair:
    access: str
    refresh: str
    expires_in: int
    """Seconds for which the access token is good."""


def begin(*, session: Session, realm: UUID | None, lifetimes: Lifetimes, at: datetime) -> TokenPair:
    """Keep a session that is new, with its first tokens; it ends when they do.

    `realm` is whose directory has proven the person, who was seen there now.
    """
    pair, refresh_token = _issue(session=session, lifetimes=lifetimes, at=at)
    with connection.cursor() as cursor:
        seen: list[Any] = [at, session.user_id, realm]
        cursor.execute(_BEGIN, [*_values(session), *seen, *_values(refresh_token)])
    return pair


def renew(*, session: Session, at: datetime) -> TokenPair:
    """The next tokens of a session, which ends when they do."""
    longest = get_lifetimes(tenant_id=session.tenant_id)
    pair, refresh_token = _issue(session=session, lifetimes=longest, at=at)
    with connection.cursor() as cursor:
        used: list[Any] = [session.last_used_at, session.expires_at, session.id]
        cursor.execute(_RENEW, [*used, *_values(refresh_token)])
    return pair


@contextmanager
def attributed_to(user_id: UUID) -> Iterator[None]:
    with attribution.acting(replace(attribution.current(), user_id=user_id)):
        yield


def _issue(
    *, session: Session, lifetimes: Lifetimes, at: datetime
) -> tuple[TokenPair, RefreshToken]:
    """And the row that makes the refresh token good for one use."""
    refresh_token = tokens.RefreshToken.issue(session=session, at=at, lifetimes=lifetimes)
    access_token = tokens.AccessToken.issue(session=session, at=at, lifetimes=lifetimes)
    encoded = str(refresh_token)
    row = RefreshToken(
        jti=refresh_token.jti, session=session, hash=tokens.fingerprint(encoded),
        issued_at=at, expires_at=refresh_token.expires_at,
    )  # fmt: skip
    session.last_used_at, session.expires_at = at, refresh_token.expires_at
    pair = TokenPair(
        access=str(access_token),
        refresh=encoded,
        expires_in=int(access_token.expires_at.timestamp()) - int(at.timestamp()),
    )
    return pair, row


def _insert(model: type[models.Model]) -> str:
    columns = [str(field.column) for field in model._meta.concrete_fields]
    places = ", ".join(["%s"] * len(columns))
    # In quotes, so that it is not taken for a call of a function (tenants/database/statement.py).
    table = f'"{model._meta.db_table}"'
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 (names of models)


def _values(row: models.Model) -> list[Any]:
    return [
        field.get_db_prep_save(getattr(row, field.attname), connection)
        for field in row._meta.concrete_fields
    ]


# What belongs together, without a wait for each; the ORM has no word for that.
_BEGIN = f"""
    WITH session AS ({_insert(Session)}), seen AS (
        UPDATE accounts_identity SET seen_at = %s WHERE user_id = %s AND realm = %s
    )
    {_insert(RefreshToken)}
"""  # noqa: S608 (made of constants)
_RENEW = f"""
    WITH session AS (
        UPDATE authn_session SET last_used_at = %s, expires_at = %s WHERE id = %s
    )
    {_insert(RefreshToken)}
"""  # noqa: S608 (made of constants)
