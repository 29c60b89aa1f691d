"""Two tenants with directories that are compared with their people."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from people_file import Account

from shared_apps.accounts.models import Identity, User, UserTenantRole
from shared_apps.authn import recognition
from shared_apps.authn.backends import backend_for
from shared_apps.authn.backends.directory import DirectoryBackend
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.directory_sync import applying, selectors, services
from shared_apps.directory_sync.models import SyncItem, SyncPreview
from tests.directories.people_files import TenantDirectory, directory_of
from tests.people import Person, make_person

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GROUPS = {"admin": ["cn=admins"], "editor": ["cn=writers"], "viewer": ["cn=staff"]}


@dataclass
class Bed:
    """A tenant whose people came from its directory, and two of its administrators."""

    directory: TenantDirectory
    asks: Person
    reviews: Person
    accounts: list[Account] = field(default_factory=list)

    @property
    def tenant(self) -> TenantIdentity:
        return self.directory.tenant

    def configure(self, **sync: Any) -> None:
        self.directory.configure(role_groups=GROUPS, **({"sync": sync} if sync else {}))

    def add(self, username: str, *, signs_in: bool = True, **told: Any) -> Account:
        account = self.directory.account(
            username,
            **{"email": f"{username}@example.org", "name": username, "groups": ("cn=staff",)}
            | told,
        )
        if signs_in:
            backend = backend_for(self.tenant.id)
            assert isinstance(backend, DirectoryBackend)
            recognition.recognise(backend.configuration, account.person)
        return account

    def say(self, account: Account, **told: Any) -> Account:
        return self.directory.file.put(replace(account, **told))

    def preview(self, at: datetime = NOW) -> SyncPreview:
        return services.request_preview(
            tenant_id=self.tenant.id, by=self.asks.id, at=at, in_background=False
        )

    def items(self, preview: SyncPreview) -> dict[str, SyncItem]:
        with context.operator():
            return {item.label.split("@")[0]: item for item in preview.items.all()}

    def approve(self, preview: SyncPreview, at: datetime = NOW) -> SyncPreview:
        return services.approve(
            tenant_id=self.tenant.id, preview_id=preview.id, by=self.reviews.id, at=at,
            fingerprint=self.now(preview).fingerprint,
        )  # fmt: skip

    def apply(self, preview: SyncPreview, reason: str = "", at: datetime = NOW) -> SyncPreview:
        return applying.apply(
            tenant_id=self.tenant.id, preview_id=preview.id, by=self.reviews.id, at=at,
            fingerprint=self.now(preview).fingerprint, override_reason=reason,
        )  # fmt: skip

    def carry_out(self, preview: SyncPreview, reason: str = "") -> SyncPreview:
        self.approve(preview)
        return self.apply(preview, reason)

    def undo(self, preview: SyncPreview) -> SyncPreview:
        return applying.undo(
            tenant_id=self.tenant.id, preview_id=preview.id, by=self.reviews.id, at=NOW
        )

    def choose(self, item: SyncItem, selected: bool | None = None, **fields: bool) -> SyncItem:
        return services.choose(
            tenant_id=self.tenant.id, preview_id=item.preview_id, item_id=item.id,
            is_selected=selected, fields=fields, at=NOW,
        )  # fmt: skip

    def now(self, preview: SyncPreview) -> SyncPreview:
        return selectors.get_preview(tenant_id=self.tenant.id, preview_id=preview.id)

    def person(self, account: Account) -> tuple[str, str, str, str, bool] | None:
        """Name, address, user name, role, whether they are let in; the last two of nobody here empty."""
        with context.operator():
            identity = Identity.objects.select_related("user").filter(external_id=account.id)
            found = identity.first()
            if found is None:
                return None
            member = UserTenantRole.objects.filter(tenant=self.tenant.id, user=found.user).first()
        user = found.user
        return (
            user.name, user.email, found.username,
            member.role if member else "", member is not None and member.is_active,
        )  # fmt: skip

    def user_id(self, account: Account) -> UUID:
        with context.operator():
            return Identity.objects.get(external_id=account.id).user_id


def everybody() -> list[Any]:
    with context.operator():
        return [
            list(User.objects.order_by("id").values()),
            list(UserTenantRole.objects.order_by("id").values()),
            list(Identity.objects.order_by("id").values()),
        ]


def bed_of(acme: TenantIdentity, globex: TenantIdentity, place: Path) -> Bed:
    """Of acme; globex has a directory and somebody in it too."""
    beds = [
        Bed(
            directory_of(tenant, place),
            make_person(tenant, "admin"),
            make_person(tenant, "admin"),
        )
        for tenant in (globex, acme)
    ]
    for bed in beds:
        bed.configure()
    beds[0].add("somebody-elsewhere")
    return beds[1]
