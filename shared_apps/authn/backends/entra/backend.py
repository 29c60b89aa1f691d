"""Entra ID as a directory: OpenID Connect for sign-ins, Graph for everything else."""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from shared_apps.accounts import selectors as accounts
from shared_apps.authn.backends.base import Configuration, PasswordInfo
from shared_apps.authn.backends.directory import DirectoryPerson
from shared_apps.authn.backends.entra import error_codes
from shared_apps.authn.backends.entra.graph import Graph
from shared_apps.authn.backends.single_sign_on import START_PATH, SingleSignOnBackend
from shared_apps.authn.errors import (
    BackendUnavailableError,
    InvalidCredentialsError,
    PasswordChangeNotSupportedError,
    SignInAttemptError,
    SingleSignOnRequiredError,
)
from shared_apps.authn.oidc import client_authentication, id_tokens, transport
from shared_apps.authn.oidc.provider import Provider

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

logger = logging.getLogger(__name__)

_SCOPE = "openid profile email"
_ACCOUNT_PAGE = "https://mysignins.microsoft.com/security-info/password/change"
_NEVER = 2147483647
"""Days for which a password is valid in a domain where it does not age."""


class EntraBackend(SingleSignOnBackend):
    """Options: `directory_id`, `client_id`, `password_grant`; secrets: `client_secret` or `client_certificate`."""

    name = "entra_id"

    def __init__(
        self,
        configuration: Configuration,
        recognise: "Callable[[Configuration, DirectoryPerson], User]",
    ) -> None:
        super().__init__(configuration, recognise)
        # Stored, never what a token or a person names: `common` would be every directory there is.
        self._directory_id = str(UUID(configuration.options["directory_id"]))
        self._client_id = str(UUID(configuration.options["client_id"]))

    def authenticate(self, *, username: str, password: str) -> "User | None":
        # The same for everybody, before anything about the name is asked.
        self._require_password_grant()
        return super().authenticate(username=username, password=password)

    def prove(self, *, username: str, password: str) -> DirectoryPerson | None:
        """By the password grant, which knows neither second factors nor federation (ASVS 10.4.4)."""
        self._require_password_grant()
        at = datetime.now(UTC)
        answer = self._request_token(
            at, grant_type="password", scope=_SCOPE, username=username, password=password
        )
        if not answer.is_good:
            error_codes.raise_unless_unproven(answer.status, answer.body)
            return None
        return self._person(answer.body.get("id_token"), nonce=None, at=at)

    def authorize_url(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        return self._provider().authorize_url(
            client_id=self._client_id, response_type="code", response_mode="query", scope=_SCOPE,
            redirect_uri=redirect_uri, state=state, nonce=nonce,
            code_challenge=challenge, code_challenge_method="S256",
        )  # fmt: skip

    def require_issuer(self, issuer: str | None) -> None:
        provider = self._provider()
        if issuer != provider.issuer and (issuer is not None or provider.names_itself):
            raise SignInAttemptError

    def prove_code(
        self, *, code: str, redirect_uri: str, verifier: str, nonce: str, at: datetime
    ) -> DirectoryPerson:
        answer = self._request_token(
            at, grant_type="authorization_code", code=code, redirect_uri=redirect_uri,
            code_verifier=verifier,
        )  # fmt: skip
        if not answer.is_good:
            error_codes.raise_unless_unproven(answer.status, answer.body)
            raise InvalidCredentialsError
        return self._person(answer.body.get("id_token"), nonce=nonce, at=at)

    def find_person(self, *, external_id: str) -> DirectoryPerson | None:
        person_id = _uuid(external_id)
        if person_id is None:
            return None
        graph = self._graph()
        user = graph.find_user(person_id)
        return _as_person(user, graph.groups_of(person_id)) if user else None

    def list_people(self) -> Iterator[DirectoryPerson]:
        for user, groups in self._graph().list_users():
            yield _as_person(user, groups)

    def check(self) -> Iterator[str]:
        provider = self._provider()
        yield f"{provider.issuer} describes itself"
        graph = self._graph()
        yield "the client's secret or certificate is accepted"
        next(graph.list_users(), None)
        yield "people and their groups can be read"

    def get_password_info(self, *, user: "User", at: datetime) -> PasswordInfo:
        identity = accounts.find_identity(realm=self.configuration.realm, user_id=user.pk)
        graph = self._graph()
        found = graph.find_password(UUID(identity.external_id)) if identity else None
        changed_at, validity, warning = _password_age(graph, found or {})
        expires_at = changed_at + validity if changed_at and validity else None
        return PasswordInfo(
            source=self.name,
            fetched_at=at,
            changed_at=changed_at,
            expires_at=expires_at,
            never_expires=found is not None and validity is None,
            expired=expires_at is not None and at >= expires_at,
            must_change=False,
            locked=False,
            locked_until=None,
            grace_logins=None,
            warn_seconds=int(warning.total_seconds()) if warning and validity else None,
            can_change=False,
            min_length=None,
            history=None,
        )

    def change_password(
        self, *, user: "User", old_password: str, new_password: str, at: datetime
    ) -> bool:
        # Graph lets only the person themselves do it, with a token that is not given to us.
        raise PasswordChangeNotSupportedError(url=_ACCOUNT_PAGE)

    def _require_password_grant(self) -> None:
        if not self.configuration.options.get("password_grant", False):
            raise SingleSignOnRequiredError(authorize_url=START_PATH)

    def _provider(self) -> Provider:
        return Provider.discover(f"{settings.ENTRA_AUTHORITY}/{self._directory_id}/v2.0")

    def _request_token(self, at: datetime, **fields: str) -> transport.Answer:
        endpoint = self._provider().token_endpoint
        ours = client_authentication.fields(
            client_id=self._client_id, secrets=self.configuration.secrets,
            token_endpoint=endpoint, at=at,
        )  # fmt: skip
        return transport.post_form(endpoint, {**fields, **ours})

    def _graph(self) -> Graph:
        answer = self._request_token(
            datetime.now(UTC),
            grant_type="client_credentials",
            scope=f"{settings.ENTRA_GRAPH}/.default",
        )
        token = answer.body.get("access_token")
        if not answer.is_good or not isinstance(token, str):
            raise BackendUnavailableError(
                f"Entra gave us no token for Graph: {error_codes.described(answer.status, answer.body)}"
            )
        return Graph(base=settings.ENTRA_GRAPH, token=token)

    def _person(self, id_token: object, *, nonce: str | None, at: datetime) -> DirectoryPerson:
        claims = id_tokens.read(
            id_token, provider=self._provider(), client_id=self._client_id, nonce=nonce, at=at
        )
        person_id = _uuid(claims.get("oid"))
        if claims.get("tid") != self._directory_id or person_id is None:
            logger.warning("An id_token of %s is refused: tid or oid", claims["iss"])
            raise InvalidCredentialsError
        return DirectoryPerson(
            external_id=str(person_id),
            username=_text(claims.get("preferred_username")),
            email=_text(claims.get("email")),
            name=_text(claims.get("name")),
            groups=self._groups(claims, person_id),
        )

    def _groups(self, claims: Mapping[str, Any], person_id: UUID) -> frozenset[str]:
        """Of the token, and of Graph where they were too many for it.

        The token then names an address to ask at (`_claim_sources`), which is not where we ask.
        """
        names = claims.get("_claim_names")
        if (isinstance(names, dict) and "groups" in names) or claims.get("hasgroups") is True:
            return self._graph().groups_of(person_id)
        groups = claims.get("groups", [])
        return frozenset(_text(group).lower() for group in groups if isinstance(group, str))


def _as_person(user: Mapping[str, Any], groups: frozenset[str]) -> DirectoryPerson:
    return DirectoryPerson(
        external_id=str(UUID(user["id"])),
        username=_text(user.get("userPrincipalName")),
        email=_text(user.get("mail")),
        name=_text(user.get("displayName")),
        groups=groups,
        is_active=user.get("accountEnabled") is True,
    )


def _password_age(
    graph: Graph, found: Mapping[str, Any]
) -> tuple[datetime | None, timedelta | None, timedelta | None]:
    """When it was changed, for how long it is valid (None: for ever), and when to warn before."""
    changed = found.get("lastPasswordChangeDateTime")
    changed_at = datetime.fromisoformat(changed) if isinstance(changed, str) else None
    if "DisablePasswordExpiration" in _text(found.get("passwordPolicies")):
        return changed_at, None, None
    domain = _text(found.get("userPrincipalName")).rpartition("@")[2]
    rules = (graph.find_domain(domain) if domain else None) or {}
    days = rules.get("passwordValidityPeriodInDays")
    if not isinstance(days, int) or days >= _NEVER:
        return changed_at, None, None
    warning = rules.get("passwordNotificationWindowInDays")
    return (
        changed_at,
        timedelta(days=days),
        timedelta(days=warning) if isinstance(warning, int) else None,
    )


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
