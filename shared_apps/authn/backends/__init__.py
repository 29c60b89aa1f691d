"""Where a tenant's people prove who they are.

base, directory → what a backend is · kinds → what is declared of each · registry → which there are ·
configurations → which one a tenant has.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared_apps.authn import recognition
from shared_apps.authn.backends import configurations, registry
from shared_apps.authn.backends.base import AuthBackend, Configuration
from shared_apps.authn.backends.configurations import Basis
from shared_apps.authn.backends.database import DatabaseBackend
from shared_apps.authn.choices import BREAK_GLASS
from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.authn.models import Session
from shared_apps.core import context
from shared_apps.core.emails import canonical_email

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

logger = logging.getLogger(__name__)

_DATABASE = DatabaseBackend()


@dataclass(frozen=True)
class Way:
    """By what somebody who gives a user name proves who they are: one backend, and no other after it."""

    name: str
    """The kind of the backend, or `break_glass`."""
    realm: UUID | None = None


def backend_for(tenant_id: UUID | None) -> AuthBackend:
    """The one backend of a tenant; of the public host for None. There is no second one to fall back to.

    Raises:
        BackendUnavailableError: it is not installed, or its secrets cannot be opened.
    """
    row = configurations.find_row(tenant_id=tenant_id) if tenant_id else None
    return _DATABASE if row is None else backend_of(configurations.opened(row))


def backend_of(configuration: Configuration) -> AuthBackend:
    """Raises BackendUnavailableError: it is not installed, or lacks a secret that it needs."""
    found = registry.found().classes.get(configuration.kind)
    if found is None:
        logger.error("A tenant's backend is not installed: %s", configuration.kind)
        raise BackendUnavailableError("It is not installed.")
    for names in registry.found().kinds[configuration.kind].required_secrets:
        if not set(names) & set(configuration.secrets):
            logger.error("A tenant's backend lacks a secret: %s", " or ".join(names))
            raise BackendUnavailableError(f"It lacks the secret {' or '.join(names)}.")
    if found is DatabaseBackend:
        return _DATABASE
    backend: AuthBackend = found(configuration, recognition.recognise)
    return backend


def way_of(*, tenant_id: UUID | None, username: str) -> tuple[Way, AuthBackend]:
    """By what this name signs in now.

    Raises:
        BackendUnavailableError: as `backend_for`; nobody who signs in past the backend is met by it.
    """
    row = configurations.find_row(tenant_id=tenant_id) if tenant_id else None
    way = _way(configurations.basis_of(row, name=canonical_email(username)))
    if row is None or way.name == BREAK_GLASS:
        return way, _DATABASE
    return way, backend_of(configurations.opened(row))


def is_still(way: Way, *, tenant_id: UUID | None, username: str) -> bool:
    name = canonical_email(username)
    basis = configurations.find_basis(tenant_id=tenant_id, name=name) if tenant_id else None
    return _way(basis) == way


def _way(basis: Basis | None) -> Way:
    if basis is None:
        return Way(DatabaseBackend.name)
    return Way(BREAK_GLASS) if basis.is_past_it else Way(basis.kind, basis.realm)


def backend_of_person(user: "User", *, tenant_id: UUID | None) -> AuthBackend:
    """Where a person's password is kept who signs in at a tenant, if it is anywhere.

    Raises:
        BackendUnavailableError: as `backend_for`.
    """
    # What a directory says of somebody's address opens no way past the directory.
    own_name = user.email if user.realm is None else ""
    return way_of(tenant_id=tenant_id, username=own_name)[1]


def backend_of_session(session_id: UUID, *, tenant_id: UUID | None) -> AuthBackend:
    """Where the password is kept that opened a session.

    Raises:
        BackendUnavailableError: as `backend_for`.
    """
    with context.operator():
        past_it = Session.objects.filter(id=session_id, backend=BREAK_GLASS).exists()
    return _DATABASE if past_it else backend_for(tenant_id)
