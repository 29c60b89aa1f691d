"""Whether the directory still knows somebody who stays signed in, and with which groups."""

import logging
from datetime import datetime
from uuid import UUID

from django.conf import settings

from shared_apps.accounts import identities
from shared_apps.accounts import selectors as people
from shared_apps.authn import recognition
from shared_apps.authn.backends import backend_for
from shared_apps.authn.backends.directory import DirectoryBackend
from shared_apps.authn.choices import SessionEnd
from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.authn.models import Session
from shared_apps.core import context

logger = logging.getLogger(__name__)


def recheck(*, session_id: UUID, at: datetime) -> bool:
    """Ask the directory that opened a session, if it was not asked lately; whether it has answered.

    Whom it does not know any more, or has disabled, loses every session of this tenant. No transaction
    is open meanwhile.

    Raises:
        BackendUnavailableError: it has not answered for longer than it may.
    """
    with context.operator():
        session = Session.objects.filter(id=session_id).first()
    if session is None or session.directory_checked_at is None or session.tenant_id is None:
        return False
    due_at = session.directory_checked_at + settings.DIRECTORY_RECHECK_INTERVAL
    if at < due_at:
        return False
    try:
        return _ask(session, at)
    except BackendUnavailableError:
        if at >= due_at + settings.DIRECTORY_RECHECK_GRACE:
            raise
        logger.warning("A directory could not be asked about somebody who stays signed in")
        return False


def _ask(session: Session, at: datetime) -> bool:
    assert session.tenant_id is not None
    backend = backend_for(session.tenant_id)
    if not isinstance(backend, DirectoryBackend):
        # The configuration was changed, which has ended this session.
        return True
    configuration = backend.configuration
    identity = people.find_identity(realm=configuration.realm, user_id=session.user_id)
    person = backend.find_person(external_id=identity.external_id) if identity else None
    with context.operator():
        own = Session.objects.filter(tenant_id=session.tenant_id, user_id=session.user_id)
        own = own.exclude(directory_checked_at=None)
        if person is None or not person.is_active:
            own.filter(revoked_at=None).update(
                revoked_at=at, revoked_reason=SessionEnd.GONE_FROM_DIRECTORY
            )
            return True
        identities.apply_role(
            tenant_id=configuration.tenant_id,
            user_id=session.user_id,
            role=recognition.role_of(configuration, person.groups),
            at=at,
        )
        own.update(directory_checked_at=at)
    return True
