"""`tenant restore`: a tenant from an archive, proven before anything changes and served when all is there.

Until then it is FAILED: what a killed process leaves is never served, and `undo-failed` removes it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import Error, transaction

from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.accounts.emails import validated_email
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import selectors as fleet
from shared_apps.onboarding import planning, schemas
from shared_apps.onboarding.archive import replaying
from shared_apps.onboarding.archive.exporting import Report
from shared_apps.onboarding.archive.loading import load, source_of
from shared_apps.onboarding.archive.manifest import FILES, PEOPLE, Manifest, Member
from shared_apps.onboarding.archive.verifying import opened, verify
from shared_apps.onboarding.choices import SetupFlag
from shared_apps.onboarding.declaration import reading
from shared_apps.onboarding.declaration.problems import DeclarationError
from shared_apps.onboarding.declaration.specs import TenantSpec
from shared_apps.onboarding.errors import (
    ArchiveInvalidError,
    ArchiveVersionError,
    ArchiveWriteError,
    DomainMissingError,
    RestoreError,
)
from shared_apps.onboarding.models import TenantSetup
from shared_apps.onboarding.provisioning import locks, steps
from shared_apps.onboarding.provisioning.undo import take_back
from shared_apps.portfolio import services as portfolio
from shared_apps.tenants import files, routing
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import FileNameError, TenantExistsError
from shared_apps.tenants.models import Tenant

_CHUNK = 1 << 20
_UNFINISHED = "A restore was begun and has not ended; remove it by `tenant undo-failed`."
_SUSPENDED = "Suspended, as in the archive."


@dataclass(frozen=True, slots=True)
class _Person:
    id: UUID
    email: str
    name: str
    role: Role


def restore_tenant(
    *,
    path: Path,
    at: datetime,
    slug: str | None = None,
    domains: tuple[str, ...] = (),
    until: datetime | None = None,
    report: Report = lambda line: None,
) -> Tenant:
    """Make the tenant of an archive, a new one with its own id; under another name if `slug` is given.

    With `until` its rows are those of that later moment: the trail says what became of the archive's.
    Files and people are the archive's.

    Raises:
        ArchiveInvalidError, ArchiveVersionError, DomainMissingError: nothing was changed.
        MomentInvalidError, TrailPendingError, TrailUnfitError: so, for what `until` asks.
        TenantExistsError: there is a tenant of this name, in whatever state; nothing was changed.
        DeclarationConflictError: a domain leads to another tenant; nothing was changed.
        RestoreError, ArchiveWriteError, …: it failed on the way, and nothing of it is left.
    """
    report("proving the archive")
    manifest = verify(path)
    target = fleet.get_target().fingerprint
    if manifest.fingerprint != target:
        raise ArchiveVersionError(
            archive=manifest.version, archive_schema=manifest.fingerprint, schema=target
        )
    spec = _spec(manifest, slug, domains)
    people = _people(path)
    _require_usable(manifest)
    if until is not None:
        replaying.require_possible(manifest=manifest, until=until, at=at)
    with locks.only_worker(spec.slug):
        if tenants_read.is_registered(slug=spec.slug):
            raise TenantExistsError(slug=spec.slug)
        planning.make_plan(
            reading.read_tenant(_declared(manifest, spec.slug, spec.domains)), is_whole=False
        )
        tenant = _begin(spec, at)
        try:
            _fill(tenant.identity, path, manifest, people, until, at, report)
            _finish(tenant.identity, spec, manifest, at)
        except Error as error:
            take_back(tenant)
            reason = str(error).strip().split("\n", 1)[0]
            raise RestoreError(f"The database refused the restore: {reason}") from error
        except BaseException:
            take_back(tenant)
            raise
    return tenants_read.get_tenant(slug=spec.slug)


def _declared(manifest: Manifest, slug: str, domains: tuple[str, ...]) -> dict[str, Any]:
    return {**manifest.declared, "slug": slug, "domains": list(domains)}


def _spec(manifest: Manifest, slug: str | None, domains: tuple[str, ...]) -> TenantSpec:
    own = manifest.declared.get("slug")
    if slug not in (None, own) and not domains:
        raise DomainMissingError
    try:
        domains = domains or tuple(manifest.declared.get("domains") or ())
        declaration = reading.read_tenant(_declared(manifest, slug or str(own), domains))
    except DeclarationError as error:
        raise ArchiveInvalidError(f"The tenant cannot be made: {error}") from None
    return declaration.tenants[0]


def _require_usable(manifest: Manifest) -> None:
    if not set(manifest.setups) <= set(SetupFlag.values):
        raise ArchiveInvalidError("The archive names setups that this version does not know.")
    for name in manifest.members:
        if name.startswith(FILES):
            try:
                files.require_name(name.removeprefix(FILES))
            except FileNameError:
                raise ArchiveInvalidError("The archive holds a file of an odd name.") from None


def _people(path: Path) -> list[_Person]:
    with opened(path) as (tar, _):
        for info in tar:
            if info.name == PEOPLE:
                lines = source_of(tar, info).read().splitlines()
                break
    try:
        return [_person(json.loads(line)) for line in lines]
    except (ValueError, KeyError, TypeError):
        raise ArchiveInvalidError("The archive's people cannot be read.") from None


def _person(raw: dict[str, Any]) -> _Person:
    return _Person(
        id=UUID(raw["id"]),
        email=validated_email(raw["email"]),
        name=str(raw["name"]),
        role=Role(raw["role"]),
    )


def _begin(spec: TenantSpec, at: datetime) -> Tenant:
    with context.operator(), transaction.atomic():
        tenant = tenants.register_tenant(slug=spec.slug, name=spec.name)
        tenants.change_state(tenant_id=tenant.id, to=TenantState.PROVISIONING, at=at)
        tenants.change_state(tenant_id=tenant.id, to=TenantState.FAILED, at=at, error=_UNFINISHED)
        tenants.set_domains(tenant_id=tenant.id, domains=spec.domains)
    return tenants_read.get_tenant(slug=spec.slug)


def _fill(
    identity: TenantIdentity,
    path: Path,
    manifest: Manifest,
    people: list[_Person],
    until: datetime | None,
    at: datetime,
    report: Report,
) -> None:
    schemas.make_ready(identity)
    load(identity=identity, path=path, manifest=manifest, until=until, report=report)
    for name, size in _write_files(identity, path, manifest):
        report(f"{name}: {size} bytes")
    for person in people:
        accounts.restore_person(
            tenant_id=identity.id, user_id=person.id, email=person.email, name=person.name,
            role=person.role, at=at,
        )  # fmt: skip
    with context.operator():
        TenantSetup.objects.bulk_create(
            TenantSetup(tenant_id=identity.id, flag=flag, set_at=at) for flag in manifest.setups
        )
    # The relay is told of the restore once, not of each row.
    portfolio.rebuild(tenant=identity)


def _write_files(
    identity: TenantIdentity, path: Path, manifest: Manifest
) -> Iterator[tuple[str, int]]:
    with opened(path) as (tar, _):
        for info in tar:
            if not info.name.startswith(FILES):
                continue
            expected = manifest.members[info.name]
            source, digest = source_of(tar, info), hashlib.sha256()
            try:
                with (
                    context.tenant(identity),
                    files.create(info.name.removeprefix(FILES)) as file,
                ):
                    while data := source.read(_CHUNK):
                        digest.update(data)
                        file.write(data)
            except OSError as error:
                raise ArchiveWriteError(
                    f"A file could not be written: {error.strerror}."
                ) from error
            if Member(info.size, digest.hexdigest()) != expected:
                raise ArchiveInvalidError("The archive changed while it was read.")
            yield info.name, info.size


def _finish(identity: TenantIdentity, spec: TenantSpec, manifest: Manifest, at: datetime) -> None:
    steps.configure(spec, tenants_read.get_tenant_by_id(tenant_id=identity.id))
    with context.operator(), transaction.atomic():
        for state in (TenantState.PROVISIONING, TenantState.ACTIVE):
            tenants.change_state(tenant_id=identity.id, to=state, at=at)
        if manifest.state == TenantState.SUSPENDED.lower():
            tenants.change_state(
                tenant_id=identity.id, to=TenantState.SUSPENDED, at=at, reason=_SUSPENDED
            )
    routing.announce_change()
