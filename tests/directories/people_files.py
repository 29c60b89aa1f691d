"""The directories of tenants, as files whose owners write into them what they like."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from people_file import Account, PeopleFile

from shared_apps.authn import configuring
from shared_apps.authn.configuring import Wanted
from shared_apps.core.context import TenantIdentity

SECRET = "the key of the file, which nobody reads"


@dataclass(frozen=True)
class TenantDirectory:
    tenant: TenantIdentity
    file: PeopleFile

    def configure(
        self, *, break_glass: tuple[str, ...] = (), secret: str = SECRET, **options: Any
    ) -> bool:
        """Have the tenant's people sign in by it."""
        wanted = Wanted(
            kind="people_file",
            options={"path": str(self.file.path), **options},
            secrets={"file_key": secret},
            break_glass=break_glass,
        )
        return configuring.configure(tenant_id=self.tenant.id, wanted=wanted, at=datetime.now(UTC))

    def account(self, username: str, **told: Any) -> Account:
        """Somebody new, or what is said of them from now on."""
        account = Account(
            **{"id": str(uuid4()), "password": f"{username}'s own password", **told},
            username=username,
        )
        return self.file.put(account)

    def stop(self) -> None:
        self.file.path.rename(self._away)

    def start(self) -> None:
        self._away.rename(self.file.path)

    @property
    def _away(self) -> Path:
        return self.file.path.with_suffix(".away")


def directory_of(tenant: TenantIdentity, place: Path) -> TenantDirectory:
    file = PeopleFile(place / f"{tenant.slug}.json")
    file.write([])
    return TenantDirectory(tenant, file)
