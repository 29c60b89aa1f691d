"""Entra ID keeps what every backend promises, by the password grant, where a tenant turns that on."""

from contextlib import AbstractContextManager

import pytest

from shared_apps.authn.backends.entra import EntraBackend
from shared_apps.core.context import TenantIdentity
from tests.directories.contract import Account, DirectoryBed, DirectoryContract, State
from tests.directories.oidc_provider import OidcPerson, OidcProvider


class EntraBed(DirectoryBed):
    def __init__(self, provider: OidcProvider) -> None:
        self._provider = provider
        directory = provider.directories["acme"]
        people = directory.people
        super().__init__(
            good=_account(people["alice"]),
            other=_account(people["bob"]),
            states={
                State.LOCKED: _account(people["locked"]),
                State.DISABLED: _account(people["disabled"]),
                State.EXPIRED: _account(people["expired"]),
            },
            kind=EntraBackend,
            options={**directory.options, "password_grant": True},
            secrets=directory.secrets,
        )

    def make_account(self) -> Account:
        raise NotImplementedError("passwords are changed at Entra's own page")

    def unreachable(self) -> AbstractContextManager[None]:
        return self._provider.away()


def _account(person: OidcPerson) -> Account:
    return Account(person.username, person.password)


class TestEntra(DirectoryContract):
    @pytest.fixture
    def bed(self, entra: OidcProvider, acme: TenantIdentity) -> DirectoryBed:
        return EntraBed(entra)
