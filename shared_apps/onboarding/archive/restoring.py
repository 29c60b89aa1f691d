"""`tenant restore`: a tenant from an archive, proven before anything changes and served when all is there.

Until then it is FAILED: what a killed process leaves is never served, and `undo-failed` removes it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.db import Error, transaction

from shared_apps.accounts import custom_roles, returning
from shared_apps.accounts.choices import Permission, Role
from shared_apps.accounts.returning import Person
from shared_apps.authn import configuring
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import explain
from shared_apps.fleet import selectors as fleet
from shared_apps.onboarding import mail_servers, planning, schemas, sign_in
from shared_apps.onboarding.archive import replaying, restoring_files
from shared_apps.onboarding.archive.exporting import Report
from shared_apps.onboarding.archive.loading import load
from shared_apps.onboarding.archive.manifest import FILES, Manifest
from shared_apps.onboarding.archive.people import read_people
from shared_apps.onboarding.archive.secrets import UNKNOWN, TenantSecrets
from shared_apps.onboarding.archive.secrets import opened as opened_secrets
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.onboarding.choices import HALF_RESTORED, SetupFlag
from shared_apps.onboarding.declaration import reading
from shared_apps.onboarding.declaration.problems import DeclarationError
from shared_apps.onboarding.declaration.specs import DATABASE, AuthSpec, TenantSpec
from shared_apps.onboarding.erasing.subjects import is_changed
from shared_apps.onboarding.erasing.tombstones import Tombstones, list_tombstones
from shared_apps.onboarding.errors import (
    ArchiveInvalidError,
    ArchiveVersionError,
    DomainMissingError,
    PassphraseMissingError,
    RestoreError,
    TombstoneUnreadableError,
)
from shared_apps.onboarding.models import TenantSetup
from shared_apps.onboarding.provisioning import locks, steps
from shared_apps.onboarding.provisioning.undo import take_back
from shared_apps.portfolio import services as portfolio
from shared_apps.tenants import files, names, routing
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import FileNameError, TenantExistsError
from shared_apps.tenants.models import Tenant

_SUSPENDED = "Suspended, as in the archive."


@dataclass(frozen=True, slots=True)
class _Gone:
    """Who was erased since the people of an archive, and since its rows, were as they come back."""

    from_people: Tombstones
    from_rows: Tombstones


def restore_tenant(
    *,
    path: Path,
    at: datetime,
    slug: str | None = None,
    domains: tuple[str, ...] = (),
    until: datetime | None = None,
    despite_lost_key: bool = False,
    secrets: TenantSecrets = UNKNOWN,
    passphrase: str = "",
    report: Report = lambda line: None,
) -> Tenant:
    """Make the tenant of an archive, a new one with its own id; under another name if `slug` is given.

    With `until` its rows are those of that later moment: the trail says what became of the archive's.
    Files and people are the archive's. Whoever was erased since does not come back;
    `despite_lost_key` leaves that to chance where it can no longer be told. Where neither `secrets` nor
    the archive, by its passphrase, tells what its sign-in and its mail server need, these are not asked
    before they are given it again.

    Raises:
        ArchiveInvalidError, ArchiveVersionError, DomainMissingError: nothing was changed.
        PassphraseWrongError, PassphraseMissingError: nothing was changed.
        MomentInvalidError, TrailPendingError, TrailUnfitError: so, for what `until` asks.
        TombstoneUnreadableError: whom it must leave out cannot be told; nothing was changed.
        ErasureRunningError: a person is being erased; nothing was changed.
        TenantExistsError: there is a tenant of this name, in whatever state; nothing was changed.
        DeclarationConflictError: a domain leads to another tenant; nothing was changed.
        ProvisioningError: there is a schema of this name, and it is not ours; nothing was changed.
        FilesPlaceMissingError: nothing was changed.
        RestoreError, ArchiveWriteError, …: it failed on the way, and nothing of it is left.
    """
    files.require_place()
    report("proving the archive")
    manifest = verify(path)
    target = fleet.get_target().fingerprint
    if manifest.fingerprint != target:
        raise ArchiveVersionError(
            archive=manifest.version, archive_schema=manifest.fingerprint, schema=target
        )
    declaration = _declaration(manifest, slug, domains)
    spec = declaration.tenants[0]
    auth = _auth(manifest)
    known = _secrets(manifest, passphrase) if passphrase else secrets
    people = read_people(path, roles=manifest.roles)
    _require_usable(manifest)
    if until is not None:
        replaying.require_possible(manifest=manifest, until=until, at=at)
    with locks.no_erasure(), locks.only_worker(spec.slug):
        gone = _tombstones(manifest, until, despite_lost_key=despite_lost_key)
        if tenants_read.is_registered(slug=spec.slug):
            raise TenantExistsError(slug=spec.slug)
        planning.make_plan(declaration, is_whole=False)
        schemas.refuse_foreign(names.schema_of(spec.slug))
        tenant = _begin(spec, at)
        try:
            _fill(tenant.identity, path, manifest, people, gone, until, at, report)
            if not sign_in.restore(tenant_id=tenant.id, spec=auth, secrets=known.auth, at=at):
                report(f"sign-in: {auth.backend} needs its secrets: `tenant auth set {spec.slug}`")
            _people_of_directory(tenant.id, auth, people, gone, at)
            if not mail_servers.restore(
                tenant_id=tenant.id, spec=spec.mail, password=known.mail, at=at
            ):
                report("mail: leaves by the installation's server until `mail` is declared again")
            _finish(tenant.identity, spec, manifest, at)
        except BaseException as error:
            _take_back(tenant, error)
            if isinstance(error, Error):
                raise RestoreError(f"The database refused the restore: {explain(error)}") from error
            raise
    return tenants_read.get_tenant(slug=spec.slug)


def _declaration(
    manifest: Manifest, slug: str | None, domains: tuple[str, ...]
) -> reading.Declaration:
    own = manifest.declared["slug"]
    if slug not in (None, own) and not domains:
        raise DomainMissingError
    given = {"domains": list(domains)} if domains else {}
    try:
        declared = {**manifest.declared, "slug": slug or own, **given}
        # Without its secrets it is no declaration: it is brought about by itself.
        declared.pop("auth", None)
        if "mail" in declared:
            declared["mail"] = mail_servers.of_archive(declared["mail"])
        return reading.read_tenant(declared, keeps=["auth"])
    except DeclarationError as error:
        raise ArchiveInvalidError(
            "The tenant cannot be made as it is declared.", **error.details
        ) from None


def _secrets(manifest: Manifest, passphrase: str) -> TenantSecrets:
    if not manifest.secrets:
        raise PassphraseMissingError
    return opened_secrets(
        manifest.secrets, passphrase=passphrase, tenant_id=UUID(manifest.tenant_id)
    )


def _auth(manifest: Manifest) -> AuthSpec:
    try:
        return sign_in.of_archive(manifest.declared.get("auth", {"backend": DATABASE}))
    except (DeclarationError, AttributeError, TypeError):
        raise ArchiveInvalidError(
            "The tenant's sign-in cannot be as the archive says; is its backend installed?"
        ) from None


def _require_usable(manifest: Manifest) -> None:
    if not set(manifest.setups) <= set(SetupFlag.values):
        raise ArchiveInvalidError("The archive names setups that this version does not know.")
    for name in manifest.members:
        if name.startswith(FILES):
            try:
                files.require_name(name.removeprefix(FILES))
            except FileNameError:
                raise ArchiveInvalidError("The archive holds a file of an odd name.") from None
    restoring_files.require_space(manifest)


def _tombstones(manifest: Manifest, until: datetime | None, *, despite_lost_key: bool) -> _Gone:
    try:
        exported_at: datetime | None = datetime.fromisoformat(manifest.exported_at)
    except ValueError:
        exported_at = None
    if exported_at is None or exported_at.tzinfo is None:
        raise ArchiveInvalidError("The archive does not say when it was made.")
    found = list_tombstones(since=exported_at)
    if found.unreadable and not despite_lost_key:
        raise TombstoneUnreadableError(erasures=found.unreadable)
    # An erasure before `until` is replayed like everything else; what came after it is somebody else's.
    return _Gone(found, found if until is None else list_tombstones(since=until))


def _is_erased(person: Person, tombstones: Tombstones) -> bool:
    return person.id in tombstones.people or bool(person.email and tombstones.cover(person.email))


def _begin(spec: TenantSpec, at: datetime) -> Tenant:
    with context.operator(), transaction.atomic():
        tenant = tenants.register_tenant(slug=spec.slug, name=spec.name)
        tenants.change_state(tenant_id=tenant.id, to=TenantState.PROVISIONING, at=at)
        tenants.change_state(tenant_id=tenant.id, to=TenantState.FAILED, at=at, error=HALF_RESTORED)
        tenants.set_domains(tenant_id=tenant.id, domains=spec.domains)
    return tenants_read.get_tenant(slug=spec.slug)


def _fill(
    identity: TenantIdentity,
    path: Path,
    manifest: Manifest,
    people: list[Person],
    gone: _Gone,
    until: datetime | None,
    at: datetime,
    report: Report,
) -> None:
    schemas.make_ready(identity)
    left_out = load(
        identity=identity, path=path, manifest=manifest, tombstones=gone.from_rows, until=until,
        report=report,
    )  # fmt: skip
    for line in left_out:
        if is_changed([line]):
            report(f"of people who were erased: {line.rows} rows of {line.table} {line.action}")
    for name, size in restoring_files.write(identity, path, manifest):
        report(f"{name}: {size} bytes")
    known = [person for person in people if not _is_erased(person, gone.from_people)]
    if len(known) < len(people):
        report(f"left out: {len(people) - len(known)} people who were erased since the archive")
    if people and not any(person.role == Role.ADMIN and person.is_active for person in known):
        report("nobody administers the tenant: add somebody to `admins` and apply")
    for name, permissions in manifest.roles.items():
        custom_roles.create_role(
            tenant_id=identity.id, name=name, permissions=list(map(Permission, permissions)),
            by=None, at=at,
        )  # fmt: skip
    for person in known:
        if person.account is None:
            returning.restore_member(tenant_id=identity.id, person=person, at=at)
    with context.operator():
        TenantSetup.objects.bulk_create(
            TenantSetup(tenant_id=identity.id, flag=flag, set_at=at) for flag in manifest.setups
        )
    # The relay is told of the restore once, not of each row.
    portfolio.rebuild(tenant=identity)


def _people_of_directory(
    tenant_id: UUID, auth: AuthSpec, people: list[Person], gone: _Gone, at: datetime
) -> None:
    """After its directory was declared anew, which is another one than the archive's and has nobody yet."""
    realm = configuring.find_realm(tenant_id=tenant_id)
    known = [p for p in people if p.account is not None and not _is_erased(p, gone.from_people)]
    for person in known:
        if realm is None:
            raise ArchiveInvalidError("The archive has people of a directory, and names none.")
        returning.restore_of_directory(
            tenant_id=tenant_id, realm=realm, person=person, at=at,
            links_members=sign_in.links_members(auth),
        )  # fmt: skip


def _take_back(tenant: Tenant, reason: BaseException) -> None:
    """Raises RestoreError: what kept the restore from going on, a full disk perhaps, keeps this too."""
    try:
        take_back(tenant)
    except (Error, OSError) as error:
        raise RestoreError(
            f"{_said(reason)} What was begun could not be removed either ({explain(error)}): it is not"
            f" served; remove it by `tenant undo-failed {tenant.slug}`."
        ) from reason


def _said(reason: BaseException) -> str:
    text = explain(reason) if isinstance(reason, Exception) else "Stopped"
    return text.rstrip(".") + "."


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
