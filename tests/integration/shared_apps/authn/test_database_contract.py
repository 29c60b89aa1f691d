"""Our own passwords keep what every backend promises."""

from datetime import UTC, datetime

import pytest

from shared_apps.accounts import new_passwords
from shared_apps.accounts.models import User
from shared_apps.authn.backends.base import AuthBackend
from shared_apps.authn.backends.database import DatabaseBackend
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.directories.contract import Account, BackendContract, Bed, ChangeContract, State
from tests.people import Person, make_person


class DatabaseBed(Bed):
    def __init__(self, tenant: TenantIdentity) -> None:
        self._tenant = tenant
        disabled = make_person(tenant)
        with context.operator():
            User.objects.filter(id=disabled.id).update(is_active=False)
        other = make_person(tenant)
        password = "Another horse, another staple"
        new_passwords.change_password(
            user_id=other.id, old_password=other.password, new_password=password,
            at=datetime.now(UTC),
        )  # fmt: skip
        super().__init__(
            good=self.make_account(),
            other=Account(other.email, password),
            states={State.DISABLED: _account(disabled)},
            # Who knows a password of ours learns no more than who does not (attack 48).
            answers={State.DISABLED: None},
        )

    def backend(self, tenant: TenantIdentity) -> AuthBackend:
        return DatabaseBackend()

    def make_account(self) -> Account:
        return _account(make_person(self._tenant))


def _account(person: Person) -> Account:
    return Account(person.email, person.password)


class TestDatabase(ChangeContract, BackendContract):
    @pytest.fixture
    def bed(self, acme: TenantIdentity) -> Bed:
        return DatabaseBed(acme)
