"""Active Directory, against a real domain."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared_apps.authn import errors
from shared_apps.authn.backends.active_directory import ActiveDirectoryBackend
from shared_apps.authn.backends.base import Configuration
from shared_apps.authn.backends.directory import DirectoryPerson
from shared_apps.core.errors import AppError
from tests.directories import samba_people
from tests.directories.samba import Domain
from tests.directories.samba_people import PASSWORD

ACME, GLOBEX = UUID(int=1), UUID(int=2)


def configuration(samba: Domain, **options: object) -> Configuration:
    return Configuration(
        tenant_id=GLOBEX, kind="active_directory", realm=uuid4(),
        options={
            "url": samba.url, "base_dn": samba.base_dn, "bind_dn": samba.bind_dn,
            "ca_certificate": samba.ca, **options,
        },
        secrets={"bind_password": samba.bind_password},
    )  # fmt: skip


def nobody(configuration: Configuration, person: DirectoryPerson) -> "object":
    raise AssertionError("only sign-ins recognise people")


@pytest.fixture
def backend(samba: Domain) -> ActiveDirectoryBackend:
    return ActiveDirectoryBackend(configuration(samba), nobody)  # type: ignore[arg-type]  # never returns


def test_a_person_and_their_groups(samba: Domain, backend: ActiveDirectoryBackend) -> None:
    with samba.administration() as administration:
        identity = administration.object_guid("alice")

    person = backend.prove(username="alice", password=PASSWORD)

    users = samba_people.USERS_DN.lower()
    builtin = f"cn=builtin,{samba.base_dn.lower()}"
    assert person == DirectoryPerson(
        external_id=identity,
        username="alice",
        email="alice@globex.example",
        name="Alice",
        groups=frozenset(
            {f"cn={name},{users}" for name in ("engineers", "staff", "company", "company-again", "domain users")}
            | {f"cn=users,{builtin}"}
        ),
        is_active=True,
    )  # fmt: skip
    assert backend.find_person(external_id=identity) == person
    assert person in list(backend.list_people())


@pytest.mark.parametrize(
    "name",
    [
        "carol", "CAROL", "carol.of.sales@ad.example.test", "CAROL.OF.SALES@AD.EXAMPLE.TEST",
        "ADEX\\carol", "adex\\Carol", "ad.example.test\\carol",
    ],
)  # fmt: skip
def test_every_name_of_a_person_is_that_persons(backend: ActiveDirectoryBackend, name: str) -> None:
    person = backend.prove(username=name, password=PASSWORD)

    assert person is not None
    assert person.username == "carol"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alice", None),
        ("expired", errors.PasswordExpiredError), ("mustchange", errors.PasswordChangeRequiredError),
        ("disabled", errors.AccountRestrictedError), ("outdated", errors.AccountRestrictedError),
        ("atnight", errors.AccountRestrictedError), ("elsewhere", errors.AccountRestrictedError),
    ],
)  # fmt: skip
def test_only_who_knows_the_password_learns_the_state(
    backend: ActiveDirectoryBackend, name: str, expected: type[AppError] | None
) -> None:
    if expected is None:
        assert backend.prove(username=name, password=PASSWORD) is not None
    else:
        with pytest.raises(expected):
            backend.prove(username=name, password=PASSWORD)

    assert backend.prove(username=name, password="wrong " + PASSWORD) is None
