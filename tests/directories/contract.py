"""What every backend promises, whatever it speaks; a customer's own is to pass it too.

A module of tests derives from `BackendContract`, for a directory from `DirectoryContract`, and beside it from
`ChangeContract` where passwords can be changed through it; it says in a fixture `bed` where the backend is and
who is in it:

    class TestOpenLdap(ChangeContract, DirectoryContract):
        @pytest.fixture
        def bed(self, slapd: Slapd) -> Bed: ...
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from shared_apps.accounts.models import Identity, User
from shared_apps.authn.backends.base import AuthBackend, Configuration
from shared_apps.authn.backends.directory import DirectoryBackend
from shared_apps.authn.errors import (
    AccountRestrictedError,
    BackendUnavailableError,
    PasswordChangeRequiredError,
    PasswordExpiredError,
    PolicyViolationError,
    WrongOldPasswordError,
)
from shared_apps.authn.recognition import recognise
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import AppError

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
WRONG = "wrong horse battery staple"


@dataclass(frozen=True)
class Account:
    username: str
    password: str


class State(StrEnum):
    LOCKED = "locked"
    DISABLED = "disabled"
    EXPIRED = "expired"
    MUST_CHANGE = "must change"
    RESTRICTED = "restricted"
    """The account has ended, or not now, or not from here."""


# What the right password is answered with; None: as a wrong one.
ANSWERS: Mapping[State, type[AppError] | None] = {
    State.LOCKED: None,
    State.DISABLED: AccountRestrictedError,
    State.EXPIRED: PasswordExpiredError,
    State.MUST_CHANGE: PasswordChangeRequiredError,
    State.RESTRICTED: AccountRestrictedError,
}


@dataclass
class Bed(ABC):
    """A backend that runs, and people of it whose passwords the tests know."""

    good: Account
    other: Account
    """Somebody else who can sign in."""
    states: Mapping[State, Account]
    """Those that this backend knows."""
    answers: Mapping[State, type[AppError] | None] = field(default_factory=lambda: ANSWERS)
    weak_password: str = "a"

    @abstractmethod
    def backend(self, tenant: TenantIdentity) -> AuthBackend:
        """As a sign-in at this tenant would ask it."""

    @abstractmethod
    def make_account(self) -> Account:
        """Somebody new who can sign in, whose password a test may change."""


@dataclass
class DirectoryBed(Bed):
    kind: type[DirectoryBackend] = DirectoryBackend
    options: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def configuration(self, tenant: TenantIdentity) -> Configuration:
        """A realm of its own for every test; everybody who is proven has a role."""
        return Configuration(
            tenant_id=tenant.id,
            kind=self.kind.name,
            realm=uuid4(),
            options={**self.options, "default_role": "viewer"},
            secrets=self.secrets,
        )

    def backend(self, tenant: TenantIdentity) -> DirectoryBackend:
        return self.kind(self.configuration(tenant), recognise)

    @abstractmethod
    def unreachable(self) -> AbstractContextManager[None]:
        """Nobody answers where it was; afterwards it does again, with everybody as before."""


class BackendContract:
    @pytest.fixture
    def bed(self) -> Bed:
        raise NotImplementedError("say what to examine")

    @pytest.fixture
    def backend(self, bed: Bed, acme: TenantIdentity) -> AuthBackend:
        return bed.backend(acme)

    def test_proves_who_somebody_is(self, bed: Bed, backend: AuthBackend) -> None:
        person = prove(backend, bed.good)
        again = prove(backend, bed.good)
        other = prove(backend, bed.other)

        assert person is not None
        assert again == person
        assert other is not None
        assert other != person

    @pytest.mark.parametrize(
        "password", [WRONG, "", " ", "\x00", "\r\n", "\ud800", "x" * 1025], ids=repr
    )
    def test_does_not_take_another_password(
        self, bed: Bed, backend: AuthBackend, password: str
    ) -> None:
        assert backend.authenticate(username=bed.good.username, password=password) is None

    def test_does_not_change_the_password_on_the_way(self, bed: Bed, backend: AuthBackend) -> None:
        good = bed.good
        for password in (good.password + " ", " " + good.password, good.password + "\x00"):
            assert backend.authenticate(username=good.username, password=password) is None
        assert good.password.swapcase() != good.password
        assert (
            backend.authenticate(username=good.username, password=good.password.swapcase()) is None
        )

    def test_does_not_take_somebody_elses_password(self, bed: Bed, backend: AuthBackend) -> None:
        assert backend.authenticate(username=bed.good.username, password=bed.other.password) is None

    @pytest.mark.parametrize(
        "username",
        [
            "nobody.at.all", "", " ", "\x00", "*", "*)(objectClass=*", "a)(|(uid=*", "\\2a",
            "cn=admin,dc=example", "' OR 1=1 --", "\u202emoc", "x" * 257,
        ],
        ids=ascii,
    )  # fmt: skip
    def test_knows_nobody_by_another_name(
        self, bed: Bed, backend: AuthBackend, username: str
    ) -> None:
        people = count_people()

        assert backend.authenticate(username=username, password=bed.good.password) is None
        assert count_people() == people

    def test_tells_a_state_to_whoever_knows_the_password(
        self, bed: Bed, backend: AuthBackend
    ) -> None:
        for state, account in bed.states.items():
            expected = bed.answers[state]
            if expected is None:
                assert prove(backend, account) is None, state
                continue
            with pytest.raises(expected) as refused:
                prove(backend, account)
            assert type(refused.value) is expected, state
            assert account.password not in str(refused.value.details)

    def test_tells_no_state_to_others(self, bed: Bed, backend: AuthBackend) -> None:
        for state, account in bed.states.items():
            assert backend.authenticate(username=account.username, password=WRONG) is None, state

    def test_tells_of_a_password(self, bed: Bed, backend: AuthBackend) -> None:
        user = prove(backend, bed.good)
        assert user is not None

        info = backend.get_password_info(user=user, at=NOW)

        assert info.source == backend.name
        assert info.fetched_at == NOW
        assert (info.expired, info.must_change, info.locked) == (False, False, False)
        assert info.locked_until is None
        assert info.never_expires is (info.expires_at is None)
        assert info.expires_at is None or info.expires_at > datetime.now(UTC)


class ChangeContract:
    """Of those through which people change their passwords."""

    def test_changes_a_password(self, bed: Bed, backend: AuthBackend) -> None:
        account, user = changeable(bed, backend)
        new = f"New {uuid4()}"

        changed = backend.change_password(
            user=user, old_password=account.password, new_password=new, at=NOW
        )

        assert changed is True
        assert backend.authenticate(username=account.username, password=new) == user
        assert prove(backend, account) is None

    def test_refuses_a_change_without_the_old_password(
        self, bed: Bed, backend: AuthBackend
    ) -> None:
        account, user = changeable(bed, backend)
        new = f"New {uuid4()}"

        for wrong in (WRONG, ""):
            with pytest.raises(WrongOldPasswordError):
                backend.change_password(user=user, old_password=wrong, new_password=new, at=NOW)

        assert prove(backend, account) == user
        assert backend.authenticate(username=account.username, password=new) is None

    def test_refuses_a_new_password_that_breaks_the_rules(
        self, bed: Bed, backend: AuthBackend
    ) -> None:
        account, user = changeable(bed, backend)

        with pytest.raises(PolicyViolationError) as refused:
            backend.change_password(
                user=user, old_password=account.password, new_password=bed.weak_password, at=NOW
            )

        assert refused.value.details["reason"]
        assert prove(backend, account) == user


class DirectoryContract(BackendContract):
    """Of those that are somewhere else and know people by an id of their own."""

    unknown_id: ClassVar[str] = str(uuid4())
    """Of the right shape."""

    def test_knows_people_by_what_never_changes(
        self, bed: DirectoryBed, backend: DirectoryBackend
    ) -> None:
        proven = backend.prove(username=bed.good.username, password=bed.good.password)
        assert proven is not None

        found = backend.find_person(external_id=proven.external_id)

        assert found == proven
        assert proven.is_active
        assert proven.groups == {group.lower() for group in proven.groups}
        assert backend.find_person(external_id=self.unknown_id) is None
        for nonsense in ("*", "", "\x00", "x" * 300, f"{proven.external_id}*"):
            assert backend.find_person(external_id=nonsense) is None

    def test_a_person_is_bound_to_that(self, bed: DirectoryBed, backend: DirectoryBackend) -> None:
        user = prove(backend, bed.good)
        proven = backend.prove(username=bed.good.username, password=bed.good.password)
        assert user is not None
        assert proven is not None

        with context.operator():
            identity = Identity.objects.get(realm=backend.configuration.realm)

        assert (identity.user_id, identity.external_id) == (user.id, proven.external_id)

    def test_lists_everybody_once(self, bed: DirectoryBed, backend: DirectoryBackend) -> None:
        everybody = list(backend.list_people())

        ids = [person.external_id for person in everybody]
        assert len(ids) == len(set(ids))
        for account in (bed.good, bed.other):
            proven = backend.prove(username=account.username, password=account.password)
            assert [person for person in everybody if person == proven] == [proven]

    def test_says_which_steps_of_a_connection_worked(self, backend: DirectoryBackend) -> None:
        steps = list(backend.check())

        assert steps
        assert not any(
            secret in " ".join(steps) for secret in backend.configuration.secrets.values()
        )

    def test_nobody_is_proven_while_it_is_away(
        self, bed: DirectoryBed, backend: DirectoryBackend
    ) -> None:
        user = prove(backend, bed.good)
        assert user is not None

        with bed.unreachable():
            for account in (bed.good, Account(bed.good.username, WRONG)):
                with pytest.raises(BackendUnavailableError) as refused:
                    prove(backend, account)
                assert refused.value.details == {}
            with pytest.raises(BackendUnavailableError):
                backend.find_person(external_id=self.unknown_id)
            with pytest.raises(BackendUnavailableError):
                list(backend.list_people())
            with pytest.raises(BackendUnavailableError):
                list(backend.check())
            with pytest.raises(BackendUnavailableError):
                backend.get_password_info(user=user, at=NOW)

        assert prove(backend, bed.good) == user


def prove(backend: AuthBackend, account: Account) -> User | None:
    return backend.authenticate(username=account.username, password=account.password)


def changeable(bed: Bed, backend: AuthBackend) -> tuple[Account, User]:
    account = bed.make_account()
    user = prove(backend, account)
    assert user is not None
    return account, user


def count_people() -> int:
    with context.operator():
        return User.objects.count()
