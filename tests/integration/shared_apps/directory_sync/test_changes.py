"""A domain compared by what has changed in it since, against a real one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared_apps.accounts.models import UserTenantRole
from shared_apps.authn import configuring, recognition
from shared_apps.authn.backends import backend_for
from shared_apps.authn.backends.directory import DirectoryBackend
from shared_apps.authn.configuring import Wanted
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.directory_sync import applying, services
from shared_apps.directory_sync.models import SyncPosition, SyncPreview
from tests.attacks.directories import by_passwords_again
from tests.directories.samba import Domain
from tests.directories.samba_people import Administration, dn


@dataclass
class Compared:
    """globex and its domain; acme's people are passwords' and nobody's business here."""

    tenant: TenantIdentity
    domain: Domain
    administration: Administration
    group: str = field(default_factory=lambda: f"staff-{uuid4().hex[:8]}")

    def configure(self, **sync: object) -> None:
        options = {**self.domain.options, "role_groups": {"viewer": [dn(self.group)]}}
        wanted = Wanted(
            kind="active_directory",
            options={**options, "sync": sync} if sync else options,
            secrets={"bind_password": self.domain.bind_password},
        )
        configuring.configure(tenant_id=self.tenant.id, wanted=wanted, at=datetime.now(UTC))

    def add(self, *, count: int) -> list[str]:
        """People of the domain who are in the group and sign in here."""
        names = [f"p-{uuid4().hex[:8]}" for _ in range(count)]
        for name in names:
            self.administration.add_person(name)
        self.administration.add_members(self.group, *names)
        backend = backend_for(self.tenant.id)
        assert isinstance(backend, DirectoryBackend)
        for name in names:
            person = backend.find_person(external_id=self.administration.object_guid(name))
            assert person is not None
            recognition.recognise(backend.configuration, person)
        return names

    def preview(
        self, *, is_full: bool = False, after: timedelta = timedelta()
    ) -> SyncPreview:  # fmt: skip
        return services.request_preview(
            tenant_id=self.tenant.id, by=None, at=datetime.now(UTC) + after, in_background=False,
            is_full=is_full,
        )  # fmt: skip

    def carry_out(self, preview: SyncPreview) -> SyncPreview:
        asked = {
            "tenant_id": self.tenant.id, "preview_id": preview.id, "at": datetime.now(UTC),
            "fingerprint": preview.fingerprint, "by": None,
        }  # fmt: skip
        services.approve(**asked)  # type: ignore[arg-type]  # as declared
        return applying.apply(**asked, override_reason="")  # type: ignore[arg-type]  # as declared

    def role(self, label: str) -> tuple[str, bool]:
        with context.operator():
            member = UserTenantRole.objects.get(
                tenant=self.tenant.id, user__email=f"{label}@globex.example"
            )
        return member.role, member.is_active


def found(preview: SyncPreview) -> dict[str, str]:
    """Whom it is about, with what."""
    with context.operator():
        return {one.label.split("@")[0]: one.kind for one in preview.items.all()}


@pytest.fixture
def compared(samba: Domain, globex: TenantIdentity) -> Iterator[Compared]:
    with samba.administration() as administration:
        compared = Compared(globex, samba, administration)
        administration.add_group(compared.group)
        compared.configure()
        yield compared
        by_passwords_again(globex)


def test_only_who_has_changed_is_compared_once_all_is_taken_over(compared: Compared) -> None:
    kept, renamed, gone, disabled = compared.add(count=4)
    first = compared.preview()
    assert (first.comparison, found(first)) == ("full", {})
    quiet = compared.preview()
    assert (quiet.comparison, quiet.source_count, found(quiet)) == ("changes", 0, {})
    assert (quiet.active_count, quiet.dangers) == (4, [])

    compared.administration.set(renamed, displayName="Re Named")
    compared.administration.remove(gone)
    compared.administration.set(disabled, userAccountControl="514")
    preview = compared.preview()

    assert (preview.comparison, preview.source_count) == ("changes", 3)
    assert found(preview) == {renamed: "MODIFIED", gone: "DELETED", disabled: "MODIFIED"}
    applied = compared.carry_out(preview)
    assert applied.result == {"applied": 3}
    assert [compared.role(name) for name in (kept, gone, disabled)] == [
        ("viewer", True), ("viewer", False), ("viewer", False),
    ]  # fmt: skip
    after = compared.preview()
    assert (after.comparison, after.source_count, found(after)) == ("changes", 0, {})


def test_what_was_not_taken_over_is_found_again(compared: Compared) -> None:
    first, second = compared.add(count=2)
    compared.preview()
    compared.administration.set(first, displayName="Other")
    rejected = compared.preview()
    services.reject(
        tenant_id=compared.tenant.id, preview_id=rejected.id, by=None, at=datetime.now(UTC)
    )
    compared.administration.set(second, displayName="Other, too")

    again = compared.preview()

    assert (again.comparison, set(found(again))) == ("changes", {first, second})
    compared.carry_out(again)
    applying.undo(
        tenant_id=compared.tenant.id, preview_id=again.id, by=None, at=datetime.now(UTC)
    )  # fmt: skip
    undone = compared.preview()
    assert undone.comparison == "full"


def test_somebody_who_lost_the_group_loses_the_role(compared: Compared) -> None:
    kept, lost = compared.add(count=2)
    compared.preview()
    compared.administration.remove_members(compared.group, lost)

    preview = compared.preview()

    assert (preview.comparison, found(preview)) == ("full", {lost: "MODIFIED"})
    compared.carry_out(preview)
    assert (compared.role(kept), compared.role(lost)) == (("viewer", True), ("viewer", False))


@pytest.mark.parametrize("case", ["asked", "options", "overwrite", "a week", "other controller"])
def test_everybody_is_compared_where_changes_do_not_tell(compared: Compared, case: str) -> None:
    compared.add(count=1)
    compared.preview()
    assert compared.preview().comparison == "changes"
    match case:
        case "options":
            compared.configure(schedule="nightly")
        case "overwrite":
            compared.configure(strategies={"name": "overwrite"})
            compared.preview()
        case "other controller":
            with context.operator():
                position = SyncPosition.objects.get(tenant=compared.tenant.id)
                position.position = position.position.replace(position.source, str(uuid4()))
                position.save()

    preview = compared.preview(
        is_full=case == "asked", after=timedelta(days=8 if case == "a week" else 0)
    )

    assert (preview.comparison, preview.source_count > 1, found(preview)) == ("full", True, {})
