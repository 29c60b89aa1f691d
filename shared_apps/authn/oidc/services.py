"""Signing in at a provider's page: there, back, and into a session. All in the tenant's context.

Three steps, because a browser comes back by following a link: it is shown no tokens then, only a code in the
part of the address that is sent to no server, and its page exchanges that for them.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.http import url_has_allowed_host_and_scheme

from shared_apps.accounts import selectors as people
from shared_apps.authn.backends import Way, backend_for
from shared_apps.authn.backends.single_sign_on import SingleSignOnBackend
from shared_apps.authn.errors import (
    BackendUnavailableError,
    InvalidCredentialsError,
    NextAddressError,
    NoSingleSignOnError,
    SignInAttemptError,
)
from shared_apps.authn.oidc import attempts
from shared_apps.authn.oidc.attempts import Attempt
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.services import opening, signing_in
from shared_apps.authn.services.issuing import TokenPair
from shared_apps.authn.services.opening import Client
from shared_apps.core.text import has_unusable_characters

_LONGEST_NEXT = 2000


@dataclass(frozen=True, slots=True)
class CameBack:
    """A browser that a provider has sent back."""

    next_path: str
    """Where it wanted to go."""
    code: str
    """For `exchange`, once and within a minute."""


def has_page(*, tenant_id: UUID | None) -> bool:
    """Whether people sign in at a provider's page here."""
    try:
        _backend(tenant_id)
    except (NoSingleSignOnError, BackendUnavailableError):
        return False
    return True


@signing_in.reason_withheld()
def begin(*, tenant_id: UUID | None, redirect_uri: str, next_path: str, browser_secret: str) -> str:
    """The address of the provider's page.

    Raises:
        NoSingleSignOnError: this tenant's people have no such page.
        NextAddressError: `next_path` leads away from here.
        BackendUnavailableError: the provider does not answer.
    """
    backend = _backend(tenant_id)
    _require_own_path(next_path)
    attempt = Attempt(
        realm=str(backend.configuration.realm), redirect_uri=redirect_uri, next_path=next_path
    )
    proofs = attempts.begin(attempt, browser_secret=browser_secret)
    return backend.authorize_url(
        redirect_uri=redirect_uri,
        state=proofs.state,
        nonce=proofs.nonce,
        challenge=proofs.challenge,
    )


@signing_in.reason_withheld()
def come_back(
    *, tenant_id: UUID | None, state: str, code: str | None, issuer: str | None,
    browser_secret: str, at: datetime,
) -> CameBack:  # fmt: skip
    """Whoever the provider says it is may be signed in by `exchange`.

    Raises:
        SignInAttemptError: not the answer to a sign-in that this browser began here, or another
            provider's.
        InvalidCredentialsError: the provider says of nobody that this is them.
        BackendUnavailableError: it does not answer.
    """
    backend = _backend(tenant_id)
    attempt, proofs = attempts.take(state=state, browser_secret=browser_secret)
    if attempt.realm != str(backend.configuration.realm):
        raise SignInAttemptError
    backend.require_issuer(issuer)
    if code is None:
        raise InvalidCredentialsError
    user = backend.authenticate_by_code(
        code=code, redirect_uri=attempt.redirect_uri, verifier=proofs.verifier, nonce=proofs.nonce, at=at
    )  # fmt: skip
    handed_over = attempts.hand_over(
        user_id=user.pk, realm=attempt.realm, at=at, browser_secret=browser_secret
    )
    return CameBack(attempt.next_path, handed_over)


@signing_in.reason_withheld()
def exchange(
    *, tenant_id: UUID | None, code: str, browser_secret: str, client: Client, at: datetime
) -> tuple[SignIn, TokenPair]:
    """Open the session of whoever came back.

    Raises:
        SignInAttemptError: no code of this browser's, or the tenant's directory has changed since.
        NoMembershipError: there is no role here.
    """
    backend = _backend(tenant_id)
    proven = attempts.take_handed_over(code=code, browser_secret=browser_secret)
    user = people.find_user(user_id=UUID(proven.user_id))
    if proven.realm != str(backend.configuration.realm) or user is None:
        raise SignInAttemptError
    return opening.open_session(
        tenant_id=tenant_id, user=user, way=Way(backend.name, backend.configuration.realm),
        # Nobody signs in past the directory here, whatever they are called.
        username="", client=client, auth_time=datetime.fromisoformat(proven.auth_time), at=at,
    )  # fmt: skip


def _backend(tenant_id: UUID | None) -> SingleSignOnBackend:
    backend = backend_for(tenant_id)
    if not isinstance(backend, SingleSignOnBackend):
        raise NoSingleSignOnError
    return backend


def _require_own_path(path: str) -> None:
    """A path of this host: nothing that a browser would read as another one's, or as a script."""
    if (
        len(path) > _LONGEST_NEXT
        or not path.startswith("/")
        or "\\" in path
        or "#" in path
        or has_unusable_characters(path)
        or not url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    ):
        raise NextAddressError
