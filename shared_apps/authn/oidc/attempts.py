"""Sign-ins on their way to a provider's page and back: each good for one browser, one tenant and one use.

What is kept of them lies in the tenant's part of Redis, for minutes. The browser holds a secret, in a cookie,
from which everything else is derived, so what is kept is good for nothing without it.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from django.core.cache import caches

from shared_apps.authn.errors import SignInAttemptError

LIFETIME = 10 * 60
"""Seconds to sign in at the provider's page."""
_HAND_OVER_LIFETIME = 60
"""Seconds until the page that was returned to has fetched its tokens."""
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)


def new_browser_secret() -> str:
    return secrets.token_urlsafe(32)


def is_browser_secret(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


@dataclass(frozen=True)
class Attempt:
    realm: str
    """Of the directory that it was begun with."""
    redirect_uri: str
    next_path: str


@dataclass(frozen=True)
class Proofs:
    """What shows that the one who comes back is the one who went."""

    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """RFC 7636, S256."""
        return _encoded(hashlib.sha256(self.verifier.encode()).digest())


@dataclass(frozen=True)
class Proven:
    """Whom the provider has named, until their page has fetched the tokens."""

    user_id: str
    realm: str
    auth_time: str
    browser: str


def begin(attempt: Attempt, *, browser_secret: str) -> Proofs:
    attempt_id = secrets.token_urlsafe(32)
    caches["sessions"].set(_attempt_key(attempt_id), asdict(attempt), LIFETIME)
    return _proofs(attempt_id, browser_secret)


def take(*, state: str, browser_secret: str) -> tuple[Attempt, Proofs]:
    """Of concurrent callers exactly one gets it.

    Raises:
        SignInAttemptError: it was not begun here by this browser, is used up or too old.
    """
    attempt_id = state[:43]
    if not is_browser_secret(browser_secret) or not _TOKEN.fullmatch(attempt_id):
        raise SignInAttemptError
    proofs = _proofs(attempt_id, browser_secret)
    if not hmac.compare_digest(proofs.state.encode(), state.encode(errors="replace")):
        raise SignInAttemptError
    return Attempt(**_take(_attempt_key(attempt_id))), proofs


def hand_over(*, user_id: UUID, realm: str, at: datetime, browser_secret: str) -> str:
    """A code with which this browser, and no other, opens the session."""
    code = secrets.token_urlsafe(32)
    proven = Proven(
        user_id=str(user_id), realm=realm, auth_time=at.isoformat(), browser=_digest(browser_secret)
    )
    caches["sessions"].set(_hand_over_key(code), asdict(proven), _HAND_OVER_LIFETIME)
    return code


def take_handed_over(*, code: str, browser_secret: str) -> Proven:
    """Raises SignInAttemptError: it is no code of this browser's, is used up or too old."""
    key = _hand_over_key(code)
    kept = caches["sessions"].get(key)
    # Before it is used up: a stranger's try takes nothing from its owner.
    if kept is None or not hmac.compare_digest(kept["browser"], _digest(browser_secret)):
        raise SignInAttemptError
    return Proven(**_take(key))


def _take(key: str) -> dict[str, str]:
    kept: dict[str, str] | None = caches["sessions"].get(key)
    # Deleting tells who was first.
    if kept is None or not caches["sessions"].delete(key):
        raise SignInAttemptError
    return kept


def _proofs(attempt_id: str, browser_secret: str) -> Proofs:
    def derived(purpose: str) -> str:
        message = f"{purpose}:{attempt_id}".encode()
        return _encoded(hmac.digest(browser_secret.encode(), message, "sha256"))

    return Proofs(
        state=f"{attempt_id}.{derived('state')}",
        nonce=derived("nonce"),
        verifier=derived("verifier"),
    )


def _attempt_key(attempt_id: str) -> str:
    return f"oidc:attempt:{attempt_id}"


def _hand_over_key(code: str) -> str:
    return f"oidc:proven:{_digest(code)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
