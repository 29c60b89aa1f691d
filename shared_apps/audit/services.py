"""What acts on the trail as a whole, with the installation's own settings."""

from datetime import UTC, datetime

from django.conf import settings

from shared_apps.audit.anchors import taking
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.audit.anchors.places import naming
from shared_apps.audit.errors import AnchorKeyError


def take_anchor() -> taking.Taken:
    """Sign where all chains end and give it to all places.

    Raises:
        AnchorKeyError, AnchorPlaceError: a setting is missing or wrong.
        AnchorBusyError: another process is at it.
        psycopg.Error: the audit database does not answer.
    """
    if not settings.AUDIT_ANCHOR_KEY:
        raise AnchorKeyError("AUDIT_ANCHOR_KEY is not set (nor AUDIT_ANCHOR_KEY_FILE)")
    if not settings.AUDIT_AUDITOR_DATABASE_URL:
        raise AnchorKeyError(
            "AUDIT_AUDITOR_DATABASE_URL is not set (nor AUDIT_AUDITOR_DATABASE_URL_FILE)"
        )
    return taking.take(
        url=settings.AUDIT_AUDITOR_DATABASE_URL,
        key=SigningKey.from_setting(settings.AUDIT_ANCHOR_KEY),
        places=naming.places(settings.AUDIT_ANCHOR_PLACES),
        at=datetime.now(UTC),
    )
