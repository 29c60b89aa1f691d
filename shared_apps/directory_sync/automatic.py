"""Previews of the schedule that are applied by themselves, within the ceilings that the tenant declared.

The trail puts them down to the task, not to a person. Whatever is beyond the ceilings waits as it is.
"""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import selectors as accounts
from shared_apps.accounts.choices import Role
from shared_apps.authn import links
from shared_apps.core import context
from shared_apps.core.errors import AppError, explain
from shared_apps.directory_sync import background, listing, plans
from shared_apps.directory_sync.choices import State
from shared_apps.directory_sync.deciding import deciding
from shared_apps.directory_sync.errors import StateError
from shared_apps.directory_sync.models import SyncPreview
from shared_apps.directory_sync.rules import Ceilings, Rules
from shared_apps.mail import services as mail
from shared_apps.mail.choices import MailKind

logger = logging.getLogger(__name__)

_TOLD_EVERY: Final = timedelta(hours=24)
_MOST_RECIPIENTS: Final = 20
_UNDECIDED = (State.PENDING, State.APPROVED, State.FAILED)


def settle(*, preview_id: UUID, at: datetime) -> None:
    """Apply a preview of the schedule, or have it wait. Safe to repeat, also after half of it."""
    with context.operator():
        previews = SyncPreview.objects.filter(id=preview_id, is_scheduled=True)
        preview = previews.filter(state__in=_UNDECIDED).first()
    if preview is None:
        return
    try:
        _settle(preview, at)
    except StateError:
        return  # whoever did this before has come further
    except AppError as error:
        logger.warning("A preview of tenant %s waits: %s", preview.tenant_id, explain(error))
        _wait(preview, explain(error), at)


def _settle(preview: SyncPreview, at: datetime) -> None:
    if preview.state == State.FAILED:
        _tell(preview, f"The directory could not be read: {preview.failure}", at)
        return
    ceilings = Rules.of(listing.directory_of(preview.tenant_id).configuration).automatic
    if ceilings is None or (preview.state == State.APPROVED and not preview.is_automatic):
        return
    if preview.state == State.PENDING:
        with deciding(preview.tenant_id, preview.id, at, State.PENDING) as preview:
            excess = _excess(preview, ceilings)
            if not excess:
                preview.state, preview.reviewed_at = State.APPROVED, at
                preview.is_automatic = True
                preview.save(update_fields=["state", "reviewed_at", "is_automatic"])
        if excess:
            _wait(preview, excess, at)
            return
    background.carry_out(
        tenant_id=preview.tenant_id, preview_id=preview.id, fingerprint=preview.fingerprint,
        by=None, override_reason="", at=at,
    )  # fmt: skip
    with context.operator():
        preview.refresh_from_db()
    if preview.failure:
        _tell(preview, f"It was not applied: {preview.failure}", at)


def _excess(preview: SyncPreview, ceilings: Ceilings) -> str:
    """Why a person has to look at it; empty if nobody has to."""
    changes, shut_out = plans.count_changes(preview), plans.count_deactivations(preview)
    if preview.dangers:
        return f"It is dangerous: {', '.join(preview.dangers)}."
    if shut_out > ceilings.max_deactivations:
        return (
            f"{shut_out} people would be shut out, and without an administrator it may be"
            f" {ceilings.max_deactivations}."
        )
    if changes > ceilings.max_changes:
        return (
            f"{changes} people would be changed, and without an administrator it may be"
            f" {ceilings.max_changes}."
        )
    return ""


def _wait(preview: SyncPreview, why: str, at: datetime) -> None:
    with context.operator():
        waiting = SyncPreview.objects.filter(id=preview.id, state__in=_UNDECIDED)
        is_waiting = waiting.update(failure=why[:500])
    if is_waiting:
        _tell(preview, f"It waits for an administrator: {why}", at)


def _tell(preview: SyncPreview, what: str, at: datetime) -> None:
    """Mail the administrators, once a day however often it happens.

    Those who have an address of their own: what a directory says of one may be anybody's.
    """
    own = SyncPreview.objects.filter(tenant_id=preview.tenant_id)
    with context.operator(), transaction.atomic():
        if own.filter(notified_at__gt=at - _TOLD_EVERY).exists():
            return
        admins = accounts.list_members(tenant_id=preview.tenant_id).filter(
            role=Role.ADMIN, is_active=True, user__is_active=True, user__realm=None
        )
        recipients = list(admins.values_list("user__email", flat=True)[:_MOST_RECIPIENTS])
        own.filter(id=preview.id).update(notified_at=at)
        path = f"/api/v1/directory-sync/previews/{preview.id}/"
        variables = {
            "name": links.name_of(preview.tenant_id),
            "what": what,
            "link": links.link(tenant_id=preview.tenant_id, path=path),
        }
        for recipient in recipients:
            mail.post_mail(
                tenant_id=preview.tenant_id, kind=MailKind.DIRECTORY_SYNC, recipient=recipient,
                variables=variables, at=at,
            )  # fmt: skip
