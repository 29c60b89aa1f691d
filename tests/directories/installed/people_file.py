"""A backend as a customer would bring one, installed as a package of its own: people in a JSON file.

What it says of them is whatever the file says, so it is also the directory of a hostile tenant.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from shared_apps.accounts import selectors as people
from shared_apps.accounts.models import User
from shared_apps.authn.backends.base import PasswordInfo
from shared_apps.authn.backends.directory import DirectoryBackend, DirectoryPerson
from shared_apps.authn.backends.kinds import Kind
from shared_apps.authn.errors import (
    AccountRestrictedError,
    BackendUnavailableError,
    PasswordChangeRequiredError,
    PasswordExpiredError,
    PolicyViolationError,
    WrongOldPasswordError,
)

_SHORTEST = 8
_REFUSALS = {
    "disabled": AccountRestrictedError,
    "expired": PasswordExpiredError,
    "must change": PasswordChangeRequiredError,
    "restricted": AccountRestrictedError,
}


@dataclass(frozen=True)
class Account:
    id: str
    username: str
    password: str
    email: str = ""
    name: str = ""
    groups: tuple[str, ...] = ()
    state: str = ""

    @property
    def person(self) -> DirectoryPerson:
        return DirectoryPerson(
            external_id=self.id,
            username=self.username,
            email=self.email,
            name=self.name,
            groups=frozenset(group.lower() for group in self.groups),
            is_active=self.state != "disabled",
        )


class PeopleFile:
    """The file, for whoever fills it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Account]:
        return [
            Account(**{**entry, "groups": tuple(entry["groups"])})
            for entry in json.loads(self.path.read_text())
        ]

    def write(self, accounts: list[Account]) -> None:
        fresh = self.path.with_suffix(f".{uuid4().hex}")
        fresh.write_text(json.dumps([asdict(account) for account in accounts]))
        os.replace(fresh, self.path)

    def put(self, account: Account) -> Account:
        """Instead of the one with this id, if there is one."""
        known = self.read() if self.path.exists() else []
        self.write([*(other for other in known if other.id != account.id), account])
        return account

    def remove(self, account: Account) -> None:
        self.write([other for other in self.read() if other.id != account.id])


class PeopleFileBackend(DirectoryBackend):
    name = "people_file"
    declared: ClassVar[Kind] = Kind(
        options={
            "type": "object",
            "required": ["path"],
            "additionalProperties": False,
            "properties": {
                "path": {"type": "string", "description": "The file."},
                "realm": {"type": "string", "description": "What makes ids unique."},
                "role_groups": {"$ref": "#/$defs/role_groups"},
                "default_role": {"$ref": "#/$defs/default_role"},
                "link_members": {"$ref": "#/$defs/link_members"},
            },
        },
        secrets=("file_key",),
        required_secrets=(("file_key",),),
        realm_options=("realm",),
    )

    def prove(self, *, username: str, password: str) -> DirectoryPerson | None:
        for account in self._accounts():
            if account.username == username and account.password == password:
                if account.state in _REFUSALS:
                    raise _REFUSALS[account.state]
                return None if account.state == "locked" else account.person
        return None

    def find_person(self, *, external_id: str) -> DirectoryPerson | None:
        found = (account.person for account in self._accounts() if account.id == external_id)
        return next(found, None)

    def list_people(self) -> Iterator[DirectoryPerson]:
        return iter([account.person for account in self._accounts()])

    def check(self) -> Iterator[str]:
        count = len(self._accounts())
        yield "the file is there"
        yield f"it holds {count} people"

    def get_password_info(self, *, user: User, at: datetime) -> PasswordInfo:
        self._own(user)
        return PasswordInfo(
            source=self.name, fetched_at=at, changed_at=None, expires_at=None, never_expires=True,
            expired=False, must_change=False, locked=False, locked_until=None, grace_logins=None,
            warn_seconds=None, can_change=True, min_length=_SHORTEST, history=None,
        )  # fmt: skip

    def change_password(
        self, *, user: User, old_password: str, new_password: str, at: datetime
    ) -> bool:
        account = self._own(user)
        if account.password != old_password:
            raise WrongOldPasswordError
        if len(new_password) < _SHORTEST:
            raise PolicyViolationError(reason=[f"At least {_SHORTEST} characters."])
        told: Mapping[str, Any] = {**asdict(account), "password": new_password}
        self._file.put(Account(**told))
        return True

    @property
    def _file(self) -> PeopleFile:
        return PeopleFile(Path(self.configuration.options["path"]))

    def _accounts(self) -> list[Account]:
        try:
            return self._file.read()
        except OSError:
            raise BackendUnavailableError("The file cannot be read.") from None

    def _own(self, user: User) -> Account:
        accounts = self._accounts()
        identity = people.find_identity(realm=self.configuration.realm, user_id=user.pk)
        assert identity is not None
        return next(account for account in accounts if account.id == identity.external_id)
