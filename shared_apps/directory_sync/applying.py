"""Carry out an approved preview, all of it or nothing, and take it back. In the operator's context."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError

from shared_apps.accounts import directory_people, identities
from shared_apps.accounts.choices import Role
from shared_apps.authn import recognition
from shared_apps.authn.backends.directory import DirectoryBackend
from shared_apps.authn.services import ending
from shared_apps.core import attribution, context
from shared_apps.directory_sync import comparing, listing, plans
from shared_apps.directory_sync.choices import Kind, State
from shared_apps.directory_sync.deciding import deciding, require_in_time, require_plan
from shared_apps.directory_sync.errors import ApplyFailedError, DangerousError, DriftError
from shared_apps.directory_sync.listing import Told
from shared_apps.directory_sync.models import SyncItem, SyncPreview
from shared_apps.directory_sync.rules import Rules

logger = logging.getLogger(__name__)

# Above it the whole directory is read, which takes fewer questions than one for each person.
_ASKED_ONE_BY_ONE = 50
_BATCH = 500


@dataclass
class _Place:
    """Which record is being written, for whoever is told that it failed."""

    label: str = ""


def apply(
    *, tenant_id: UUID, preview_id: UUID, fingerprint: str, by: UUID | None,
    override_reason: str, at: datetime,
) -> SyncPreview:  # fmt: skip
    """Do what is selected; the trail puts it down to whoever applies it, else to who approved it.

    Raises:
        PreviewNotFoundError, StateError, PreviewExpiredError, OtherPlanError
        DangerousError: too many would be shut out, and no reason was given.
        DriftError: a record, or what the directory says of it, is not what it was.
        LastAdminError: nobody would administer the tenant.
        ApplyFailedError: a record could not be written. Nothing was, and the state is as before.
        BackendUnavailableError: the directory cannot be asked again.
    """
    preview = require_in_time(tenant_id, preview_id, at, State.APPROVED)
    directory = listing.directory_of(tenant_id)
    if directory.configuration.realm != preview.realm:
        raise DriftError(record="", side="directory")
    with context.operator():
        selected = list(_selected(preview).values_list("external_id", flat=True))
    told = _ask_again(directory, selected)
    place = _Place()
    with deciding(tenant_id, preview_id, at, State.APPROVED) as preview, _naming(place):
        require_plan(preview, fingerprint)
        require_safe(preview, Rules.of(directory.configuration), override_reason)
        with _attributed(by or preview.reviewed_by):
            _write(preview, told, directory, place, at)
        preview.state, preview.applied_by, preview.applied_at = State.APPLIED, by, at
        preview.override_reason = override_reason
        preview.result = {"applied": len(selected)}
        preview.save()
    return preview


def _selected(preview: SyncPreview) -> Any:
    return preview.items.filter(is_selected=True).order_by("external_id")


def _ask_again(directory: DirectoryBackend, external_ids: list[str]) -> dict[str, Told]:
    """What the directory says of them now; without those whom it has no more."""
    configuration = directory.configuration
    if len(external_ids) <= _ASKED_ONE_BY_ONE:
        asked = (directory.find_person(external_id=one) for one in external_ids)
        found = [listing.told_of(configuration, person) for person in asked if person]
        return {one.claim.external_id: one for one in found}
    wanted = set(external_ids)
    kept: dict[str, Told] = {}
    for person in directory.list_people():
        one = listing.told_of(configuration, person)
        if one.claim.external_id in wanted:
            kept.setdefault(one.claim.external_id, one)
    return kept


def require_safe(preview: SyncPreview, rules: Rules, override_reason: str) -> None:
    """Raises DangerousError."""
    dangers = rules.dangers(
        listed=preview.source_count,
        active=preview.active_count,
        deactivated=plans.count_deactivations(preview),
    )
    if dangers and not override_reason:
        raise DangerousError(dangers=[str(danger) for danger in dangers])


@contextmanager
def _naming(place: _Place) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if not place.label:
            raise
        logger.warning("A synchronisation was not applied", exc_info=error)
        raise ApplyFailedError(record=place.label) from error


@contextmanager
def _attributed(user_id: UUID | None) -> Iterator[None]:
    present = attribution.current()
    with attribution.acting(replace(present, user_id=user_id or present.user_id)):
        yield


def _write(
    preview: SyncPreview, told: dict[str, Told], directory: DirectoryBackend, place: _Place,
    at: datetime,
) -> None:  # fmt: skip
    had_admin = directory_people.lock_admins(tenant_id=preview.tenant_id) > 0
    items = list(_selected(preview))
    for start in range(0, len(items), _BATCH):
        portion = items[start : start + _BATCH]
        standings = _lock(preview, portion)
        for item in portion:
            now = told.get(item.external_id)
            _require_same(item, standings.get(item.external_id), now)
            place.label = item.label
            _write_one(preview, item, now, directory, at)
        _keep_result(preview, portion, told)
    place.label = ""
    if had_admin:
        directory_people.require_admin(tenant_id=preview.tenant_id)


def _lock(preview: SyncPreview, items: list[SyncItem]) -> dict[str, directory_people.Standing]:
    return directory_people.find_standings(
        tenant_id=preview.tenant_id, realm=preview.realm,
        external_ids=[item.external_id for item in items], for_update=True,
    )  # fmt: skip


def _require_same(
    item: SyncItem, standing: directory_people.Standing | None, told: Told | None
) -> None:
    if comparing.fingerprint_of(standing) != item.local_fingerprint:
        raise DriftError(record=item.label, side="local")
    if (told.fingerprint if told else listing.GONE) != item.directory_fingerprint:
        raise DriftError(record=item.label, side="directory")


def _write_one(
    preview: SyncPreview, item: SyncItem, told: Told | None, directory: DirectoryBackend,
    at: datetime,
) -> None:  # fmt: skip
    if item.kind == Kind.NEW:
        assert told is not None  # its fingerprint is that of somebody
        user = identities.recognise(
            claim=told.claim, role=Role(str(told.values["role"])),
            links_members=recognition.links_members(directory.configuration), at=at,
        )  # fmt: skip
        assert user is not None  # there is a role
        item.user_id, item.before = user.id, {"linked": user.realm != preview.realm}
        return
    chosen = {name: change for name, change in item.fields.items() if change["selected"]}
    assert item.user_id is not None
    item.before = {name: change["old"] for name, change in chosen.items()}
    _change(preview, item.user_id, {name: one["new"] for name, one in chosen.items()}, at)


def _change(preview: SyncPreview, user_id: UUID, values: dict[str, Any], at: datetime) -> None:
    directory_people.change(
        tenant_id=preview.tenant_id, realm=preview.realm, user_id=user_id, values=values, at=at
    )
    if values.get("is_active") is False:
        ending.end_sessions(user_id=user_id, tenant_id=preview.tenant_id, at=at)


def _keep_result(preview: SyncPreview, items: list[SyncItem], told: dict[str, Told]) -> None:
    """How they stand now, and what the directory said: whoever changes them next is seen by it."""
    standings = _lock(preview, items)
    agreed = []
    for item in items:
        standing, now = standings.get(item.external_id), told.get(item.external_id)
        item.applied_fingerprint = comparing.fingerprint_of(standing)
        if standing is not None:
            said: dict[str, object] = {"is_active": False}
            if now:
                said = comparing.wanted(standing, now.values)
            agreed.append(listing.agreed_record(preview, item.external_id, said))
    SyncItem.objects.bulk_update(items, ["user_id", "before", "applied_fingerprint"])
    listing.keep_agreed(agreed)


def undo(*, tenant_id: UUID, preview_id: UUID, by: UUID | None, at: datetime) -> SyncPreview:
    """Have everybody stand as before, unless somebody was changed since. Sign-ins that ended stay so.

    People who were new lose their role; their account stays, for whatever refers to it.

    Raises:
        PreviewNotFoundError
        StateError: it was not applied, or is undone.
        DriftError: with the record that was changed since.
        LastAdminError: nobody would administer the tenant.
    """
    with deciding(tenant_id, preview_id, at, State.APPLIED) as preview, _attributed(by):
        had_admin = directory_people.lock_admins(tenant_id=tenant_id) > 0
        items = list(_selected(preview))
        for start in range(0, len(items), _BATCH):
            portion = items[start : start + _BATCH]
            standings = _lock(preview, portion)
            for item in portion:
                standing = standings.get(item.external_id)
                if comparing.fingerprint_of(standing) != item.applied_fingerprint:
                    raise DriftError(record=item.label, side="local")
                _restore(preview, item, at)
        if had_admin:
            directory_people.require_admin(tenant_id=tenant_id)
        preview.undone_by, preview.undone_at = by, at
        preview.save(update_fields=["undone_by", "undone_at"])
    return preview


def _restore(preview: SyncPreview, item: SyncItem, at: datetime) -> None:
    assert item.user_id is not None
    before = item.before or {}
    if item.kind != Kind.NEW:
        _change(preview, item.user_id, before, at)
    elif before["linked"]:
        directory_people.unbind(realm=preview.realm, user_id=item.user_id)
    else:
        _change(preview, item.user_id, {"role": ""}, at)
