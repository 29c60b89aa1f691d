"""Directories at whose own page people sign in."""

from abc import abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING

from shared_apps.authn.backends.directory import DirectoryBackend, DirectoryPerson

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

START_PATH = "/api/v1/auth/oidc/start/"
"""Where the way to that page begins, at the tenant's own host: it is bound to the browser there."""


class SingleSignOnBackend(DirectoryBackend):
    """By an authorization code (RFC 6749) with proof of possession (RFC 7636)."""

    @abstractmethod
    def authorize_url(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        """The provider's page. Raises BackendUnavailableError."""

    @abstractmethod
    def require_issuer(self, issuer: str | None) -> None:
        """Refuse an answer that another provider gave (RFC 9207).

        Raises:
            SignInAttemptError: it did, or does not say who gave it though it should.
        """

    @abstractmethod
    def prove_code(
        self, *, code: str, redirect_uri: str, verifier: str, nonce: str, at: datetime
    ) -> DirectoryPerson:
        """Whom the provider means by an authorization code.

        Raises:
            InvalidCredentialsError: nobody; the code or the id_token is not good.
            BackendUnavailableError: the provider cannot tell.
        """

    def authenticate_by_code(
        self, *, code: str, redirect_uri: str, verifier: str, nonce: str, at: datetime
    ) -> "User":
        """As `prove_code`, and who that is here."""
        person = self.prove_code(
            code=code, redirect_uri=redirect_uri, verifier=verifier, nonce=nonce, at=at
        )
        return self._recognise(self.configuration, person)
