"""Carry out an approved preview, all of it or nothing, and take it back. In the operator's context."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction

from shared_apps.accounts import directory_intake, directory_people, identities
from shared_apps.accounts.choices import Role
from shared_apps.authn import recognition
from shared_apps.authn import selectors as sign_in_selectors
from shared_apps.authn.backends.directory import DirectoryBackend
from shared_apps.authn.services import ending
from shared_apps.core import attribution, context
from shared_apps.directory_sync import comparing, listing, plans, positions
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
        if plans.leaves_nothing(preview):
            positions.keep(preview)
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
        listed=preview.source_count if preview.is_complete else None,
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
    directory_intake.take_turn(realm=preview.realm)
    had_admin = directory_people.lock_admins(tenant_id=preview.tenant_id) > 0
    items = list(_selected(preview))
    for start in range(0, len(items), _BATCH):
        portion = items[start : start + _BATCH]
        standings = _lock(preview, portion)
        for item in portion:
            _require_same(item, standings.get(item.external_id), told.get(item.external_id))
        _write_portion(preview, portion, told, directory, place, at)
        _keep_result(preview, portion, told)
    if had_admin:
        directory_people.require_admin(tenant_id=preview.tenant_id)


def _write_portion(
    preview: SyncPreview, items: list[SyncItem], told: dict[str, Told],
    directory: DirectoryBackend, place: _Place, at: datetime,
) -> None:  # fmt: skip
    try:
        with transaction.atomic():
            _write_many(preview, items, told, directory, at)
    except DatabaseError:
        # Again, to find out whose record it is that cannot be written.
        for item in items:
            place.label = item.label
            _write_many(preview, [item], told, directory, at)
        place.label = ""


def _write_many(
    preview: SyncPreview, items: list[SyncItem], told: dict[str, Told],
    directory: DirectoryBackend, at: datetime,
) -> None:  # fmt: skip
    new = [item for item in items if item.kind == Kind.NEW]
    _make(preview, new, told, directory, at)
    changes: dict[UUID, dict[str, Any]] = {}
    for item in items:
        if item.kind != Kind.NEW:
            chosen = {name: change for name, change in item.fields.items() if change["selected"]}
            assert item.user_id is not None
            item.before = {name: change["old"] for name, change in chosen.items()}
            changes[item.user_id] = {name: change["new"] for name, change in chosen.items()}
    _change(preview, changes, at)


def _make(
    preview: SyncPreview, items: list[SyncItem], told: dict[str, Told],
    directory: DirectoryBackend, at: datetime,
) -> None:  # fmt: skip
    links_members = recognition.links_members(directory.configuration)
    claims = [told[item.external_id].claim for item in items]
    invited = (
        directory_intake.find_linkable(
            tenant_id=preview.tenant_id, emails=[claim.email for claim in claims]
        )
        if links_members
        else set()
    )
    made: list[tuple[SyncItem, identities.Claim, Role]] = []
    for item, claim in zip(items, claims, strict=True):
        role = Role(str(told[item.external_id].values["role"]))
        if claim.email not in invited:
            made.append((item, claim, role))
            continue
        user = identities.recognise(claim=claim, role=role, links_members=True, at=at)
        assert user is not None  # there is a role
        item.user_id, item.before = user.id, {"linked": user.realm != preview.realm}
    user_ids = directory_intake.make_people(
        [(claim, role) for _, claim, role in made], tenant_id=preview.tenant_id, at=at
    )
    for (item, _, _), user_id in zip(made, user_ids, strict=True):
        item.user_id, item.before = user_id, {"linked": False}


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


def _change(preview: SyncPreview, changes: dict[UUID, dict[str, Any]], at: datetime) -> None:
    directory_intake.change_people(
        changes, tenant_id=preview.tenant_id, realm=preview.realm, at=at
    )  # fmt: skip
    shut_out = [user_id for user_id, values in changes.items() if values.get("is_active") is False]
    with context.operator():
        sessions = sign_in_selectors.sessions_at(preview.tenant_id)
        signed_in = set(
            sessions.filter(user_id__in=shut_out, revoked_at=None).values_list("user_id", flat=True)
        )
    for user_id in sorted(signed_in):
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
                said = comparing.wanted(standing, now.values) | _undecided(preview, item)
            agreed.append(listing.agreed_record(preview, item.external_id, said))
    plans.keep_results(items)
    listing.keep_agreed(agreed)


def _undecided(preview: SyncPreview, item: SyncItem) -> dict[str, object]:
    """What both sides have changed and nobody has looked at: it is shown again the next time."""
    if not preview.is_automatic:
        return {}
    return {name: one["base"] for name, one in item.fields.items() if one["conflict"]}


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
        directory_intake.take_turn(realm=preview.realm)
        had_admin = directory_people.lock_admins(tenant_id=tenant_id) > 0
        items = list(_selected(preview))
        for start in range(0, len(items), _BATCH):
            portion = items[start : start + _BATCH]
            standings = _lock(preview, portion)
            for item in portion:
                standing = standings.get(item.external_id)
                if comparing.fingerprint_of(standing) != item.applied_fingerprint:
                    raise DriftError(record=item.label, side="local")
            _restore(preview, portion, at)
        if had_admin:
            directory_people.require_admin(tenant_id=tenant_id)
        positions.forget(tenant_id=tenant_id)
        preview.undone_by, preview.undone_at = by, at
        preview.save(update_fields=["undone_by", "undone_at"])
    return preview


def _restore(preview: SyncPreview, items: list[SyncItem], at: datetime) -> None:
    changes: dict[UUID, dict[str, Any]] = {}
    for item in items:
        assert item.user_id is not None
        before = item.before or {}
        if item.kind != Kind.NEW:
            changes[item.user_id] = before
        elif before["linked"]:
            directory_people.unbind(realm=preview.realm, user_id=item.user_id)
        else:
            changes[item.user_id] = {"role": ""}
    _change(preview, changes, at)
