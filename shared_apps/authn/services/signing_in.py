"""Proving who somebody is."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from uuid import UUID

from shared_apps.authn import backends, limits, tickets
from shared_apps.authn.backends.base import AuthBackend, PasswordInfo
from shared_apps.authn.errors import BackendUnavailableError, InvalidCredentialsError
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.services.issuing import TokenPair
from shared_apps.authn.services.opening import Client, open_session

logger = logging.getLogger(__name__)


def sign_in(
    *, tenant_id: UUID | None, username: str, password: str, client: Client, at: datetime
) -> tuple[SignIn, TokenPair]:
    """Open a session at a tenant, or at the public host without one.

    Raises:
        InvalidCredentialsError: not proven; the same for whatever reason.
        NoMembershipError: proven, but there is no role here.
        PasswordDueError: proven, and a new password comes first; with a ticket for its change.
        AccountRestrictedError, InteractionRequiredError: proven, and the directory does not let them in.
        AccountRestrictedError: proven, but an administrator of the tenant has disabled the person.
        TooManyAttemptsError: the password was not looked at.
        UnavailableError: the backend cannot tell now.
    """
    with tickets.issued_where_due(tenant_id=tenant_id, at=at), reason_withheld():
        way, backend = backends.way_of(tenant_id=tenant_id, username=username)
        with guessing(backend, tenant_id=tenant_id, account=username, address=client.ip):
            user = backend.authenticate(username=username, password=password)
            if user is None:
                raise InvalidCredentialsError
    return open_session(
        tenant_id=tenant_id, user=user, way=way, username=username, client=client, auth_time=at, at=at
    )  # fmt: skip


def get_password_info(*, sign_in: SignIn, at: datetime) -> PasswordInfo:
    """Raises UnavailableError: the backend cannot tell now."""
    with reason_withheld():
        backend = backends.backend_of_session(sign_in.session_id, tenant_id=sign_in.tenant_id)
        return backend.get_password_info(user=sign_in.user, at=at)


@contextmanager
def reason_withheld() -> Iterator[None]:
    """What is wrong with a directory is for the log and for operators."""
    try:
        yield
    except BackendUnavailableError as error:
        logger.error("A tenant's backend cannot tell: %s", error.text)
        raise BackendUnavailableError from None


def guessing(
    backend: AuthBackend, *, tenant_id: UUID | None, account: str, address: str | None
) -> AbstractContextManager[None]:
    return limits.attempt(
        tenant_id=tenant_id, account=account, address=address, is_directory=backend.is_directory
    )
