"""Read a directory to its end and keep what differs, a portion at a time.

Nothing of it is shown before the last portion: a directory that fails half-way leaves no preview.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import directory_people
from shared_apps.accounts.directory_people import Standing
from shared_apps.accounts.identities import Claim
from shared_apps.authn import backends, recognition
from shared_apps.authn.backends.base import Configuration
from shared_apps.authn.backends.directory import DirectoryBackend, DirectoryPerson
from shared_apps.core import context
from shared_apps.core.errors import AppError, explain
from shared_apps.directory_sync import comparing, plans, positions
from shared_apps.directory_sync.choices import Kind, State
from shared_apps.directory_sync.errors import NoDirectoryError
from shared_apps.directory_sync.models import AgreedRecord, SyncItem, SyncPreview
from shared_apps.directory_sync.rules import Rules

T = TypeVar("T")
_BATCH = 500
GONE = comparing.fingerprint(None)
"""The directory's side of somebody whom it has no more."""


@dataclass(frozen=True)
class Told:
    """What the directory says of somebody, in our terms."""

    claim: Claim
    values: dict[str, object]

    @property
    def fingerprint(self) -> str:
        return comparing.fingerprint(self.values)


def directory_of(tenant_id: UUID) -> DirectoryBackend:
    """Raises NoDirectoryError, BackendUnavailableError."""
    backend = backends.backend_for(tenant_id)
    if not isinstance(backend, DirectoryBackend):
        raise NoDirectoryError
    return backend


def told_of(configuration: Configuration, person: DirectoryPerson) -> Told:
    """Raises BackendUnavailableError: the directory gave no usable id."""
    claim = replace(recognition.claim_of(configuration, person), is_proven=False)
    role = recognition.role_of(configuration, person.groups)
    return Told(claim, comparing.directory_values(claim, role=role, is_active=person.is_active))


def carry_out(*, preview_id: UUID, at: datetime, is_full: bool = False) -> None:
    """List, or begin again with a list that was not finished. Safe to repeat.

    With `is_full` everybody, whatever the directory could tell of changes.
    """
    with context.operator():
        preview = SyncPreview.objects.filter(id=preview_id, state=State.LISTING).first()
        if preview is None:
            return
        preview.items.all().delete()
    try:
        _list(preview, at, is_full=is_full)
    except AppError as error:
        _fail(preview, explain(error))
    except Exception:
        _fail(preview, "The directory could not be read; the log says why.")
        raise


def _fail(preview: SyncPreview, why: str) -> None:
    with context.operator(), transaction.atomic():
        preview.items.all().delete()
        preview.state, preview.failure, preview.source_count = State.FAILED, why[:500], 0
        preview.save(update_fields=["state", "failure", "source_count"])


def _list(preview: SyncPreview, at: datetime, *, is_full: bool) -> None:
    directory = directory_of(preview.tenant_id)
    configuration = directory.configuration
    preview.realm = configuration.realm
    preview.scope = positions.scope_of(configuration)
    rules = Rules.of(configuration)
    since: list[str] = []
    if not is_full and not rules.needs_everybody:
        with context.operator():
            since = positions.list_positions(preview=preview, at=at)
    with directory.list_changes(since=since, at=at) as changes:
        seen = _compare_all(preview, changes.people, configuration, rules)
        preview.is_complete = changes.is_complete
        preview.source, preview.position = changes.source, changes.position
        preview.source_count = len(seen | changes.gone)
    with context.operator(), transaction.atomic():
        if preview.is_complete:
            preview.active_count = _find_gone(preview, seen)
        else:
            preview.active_count = directory_people.count_active(
                tenant_id=preview.tenant_id, realm=preview.realm
            )
            _keep_gone(preview, _named(preview, changes.gone - seen))
        found = plans.summary(preview)
        preview.new_count, preview.modified_count = found["new"], found["modified"]
        preview.deleted_count, preview.diff_data = found["deleted"], found
        preview.dangers = rules.dangers(
            listed=preview.source_count if preview.is_complete else None,
            active=preview.active_count,
            deactivated=plans.count_deactivations(preview),
        )
        preview.fingerprint = plans.fingerprint_of(preview)
        preview.state, preview.expires_at = State.PENDING, at + rules.lifetime
        preview.save()
        if not preview.items.exists():
            positions.keep(preview)


def _compare_all(
    preview: SyncPreview, everybody: Iterable[DirectoryPerson], configuration: Configuration,
    rules: Rules,
) -> set[str]:  # fmt: skip
    """Keep what differs; returns the ids of all who were named."""
    seen: set[str] = set()
    for people in _portions(everybody):
        told = {
            one.claim.external_id: one
            for one in (told_of(configuration, person) for person in people)
            if one.claim.external_id not in seen
        }
        seen.update(told)
        with context.operator(), transaction.atomic():
            SyncItem.objects.bulk_create(_compare(preview, told, rules))
            SyncPreview.objects.filter(id=preview.id).update(source_count=len(seen))
    return seen


def _portions(people: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(people)
    while portion := list(islice(iterator, _BATCH)):
        yield portion


def _compare(preview: SyncPreview, told: dict[str, Told], rules: Rules) -> list[SyncItem]:
    standings = directory_people.find_standings(
        tenant_id=preview.tenant_id, realm=preview.realm, external_ids=list(told)
    )
    known = AgreedRecord.objects.filter(tenant_id=preview.tenant_id, realm=preview.realm)
    bases = dict(known.filter(external_id__in=told).values_list("external_id", "values"))
    items, agreed = [], []
    for external_id, one in told.items():
        standing = standings.get(external_id)
        if standing is None:
            if one.values["role"] and one.values["is_active"]:
                items.append(_new(preview, one))
            continue
        local, wanted = comparing.local_values(standing), comparing.wanted(standing, one.values)
        if all(local[name] == value for name, value in wanted.items()):
            if bases.get(external_id) != wanted:
                agreed.append(agreed_record(preview, external_id, wanted))
            continue
        changes = comparing.differences(
            local=local, wanted=wanted, base=bases.get(external_id, {}),
            strategies=rules.strategies,
        )  # fmt: skip
        if changes:
            items.append(_item(preview, Kind.MODIFIED, one, standing, changes))
    keep_agreed(agreed)
    return items


def _new(preview: SyncPreview, told: Told) -> SyncItem:
    changes = {
        name: {"old": None, "new": value, "base": None, "conflict": False, "selected": True}
        for name, value in told.values.items()
    }
    return _item(preview, Kind.NEW, told, None, changes)


def _item(
    preview: SyncPreview, kind: Kind, told: Told, standing: Standing | None,
    changes: dict[str, dict[str, object]],
) -> SyncItem:  # fmt: skip
    claim = told.claim
    return SyncItem(
        preview=preview, kind=kind, external_id=claim.external_id,
        user_id=standing.user_id if standing else None,
        label=claim.email or claim.username or claim.name or claim.external_id,
        fields=changes, directory=told.values, directory_fingerprint=told.fingerprint,
        local_fingerprint=comparing.fingerprint_of(standing),
    )  # fmt: skip


def _find_gone(preview: SyncPreview, seen: set[str]) -> int:
    """Keep whom the directory has no more; returns how many of its people were let in before."""
    active = 0
    here = directory_people.list_standings(tenant_id=preview.tenant_id, realm=preview.realm)
    for portion in _portions(standing for standing in here if standing.is_active):
        active += len(portion)
        _keep_gone(preview, (one for one in portion if one.external_id not in seen))
    return active


def _named(preview: SyncPreview, external_ids: Iterable[str]) -> Iterator[Standing]:
    """Those of them who are let in here."""
    for portion in _portions(sorted(external_ids)):
        found = directory_people.find_standings(
            tenant_id=preview.tenant_id, realm=preview.realm, external_ids=portion
        )
        yield from (standing for standing in found.values() if standing.is_active)


def _keep_gone(preview: SyncPreview, standings: Iterable[Standing]) -> None:
    SyncItem.objects.bulk_create(
        SyncItem(
            preview=preview, kind=Kind.DELETED, external_id=standing.external_id,
            user_id=standing.user_id,
            label=standing.email or standing.username or standing.external_id,
            fields={
                "is_active": {
                    "old": True, "new": False, "base": None, "conflict": False,
                    "selected": True,
                }
            },
            directory_fingerprint=GONE,
            local_fingerprint=comparing.fingerprint_of(standing),
        )
        for standing in standings
    )  # fmt: skip


def agreed_record(
    preview: SyncPreview, external_id: str, values: dict[str, object]
) -> AgreedRecord:
    return AgreedRecord(
        tenant_id=preview.tenant_id, realm=preview.realm, external_id=external_id, values=values
    )


def keep_agreed(records: list[AgreedRecord]) -> None:
    AgreedRecord.objects.bulk_create(
        records,
        update_conflicts=True,
        unique_fields=["tenant", "realm", "external_id"],
        update_fields=["values"],
        batch_size=_BATCH,
    )
