"""Active Directory, against a real domain."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared_apps.authn import errors
from shared_apps.authn.backends.active_directory import ActiveDirectoryBackend
from shared_apps.authn.backends.ad.values import file_time
from shared_apps.authn.backends.base import Configuration
from shared_apps.authn.backends.directory import DirectoryPerson
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import AppError
from tests.directories import samba_people
from tests.directories.contract import ChangeContract, DirectoryContract
from tests.directories.samba import Domain
from tests.directories.samba_bed import SambaBed
from tests.directories.samba_people import PASSWORD

GLOBEX = UUID(int=2)


class TestActiveDirectory(ChangeContract, DirectoryContract):
    @pytest.fixture
    def bed(self, samba: Domain) -> "Iterator[SambaBed]":
        with SambaBed.of(samba) as bed:
            yield bed


def configuration(samba: Domain, **options: object) -> Configuration:
    return Configuration(
        tenant_id=GLOBEX, kind="active_directory", realm=uuid4(),
        options={**samba.options, **options},
        secrets={"bind_password": samba.bind_password},
    )  # fmt: skip


@dataclass(frozen=True)
class Told:
    """`Changes`, read to the end."""

    people: tuple[DirectoryPerson, ...]
    gone: frozenset[str]
    is_complete: bool
    position: str


def changes_of(
    backend: ActiveDirectoryBackend, *, since: Collection[str], at: datetime
) -> Told:  # fmt: skip
    with backend.list_changes(since=since, at=at) as told:
        return Told(tuple(told.people), told.gone, told.is_complete, told.position)


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


def test_who_is_locked_out_learns_no_more_than_who_guesses(
    samba: Domain, backend: ActiveDirectoryBackend
) -> None:
    if not samba.is_locked("locked"):
        samba.lock("locked")

    assert backend.prove(username="locked", password=PASSWORD) is None
    with samba.administration() as administration:
        assert administration.bad_password_count("locked") == samba_people.LOCKOUT_THRESHOLD


def test_a_listing_counts_groups_as_a_sign_in_does(
    samba: Domain, backend: ActiveDirectoryBackend
) -> None:
    listed = {person.username: person for person in backend.list_people()}

    for name in ("alice", "bob", "carol", "Administrator"):
        assert backend.find_person(external_id=listed[name].external_id) == listed[name]
    assert {name: listed[name].is_active for name in ("alice", "disabled", "outdated", "expired")} == {
        "alice": True, "disabled": False, "outdated": False, "expired": True,
    }  # fmt: skip


def test_a_mailing_list_gives_nobody_anything(
    samba: Domain, backend: ActiveDirectoryBackend
) -> None:
    with samba.administration() as administration:
        administration.add_person("lisa")
        administration.add_group("newsletter", groupType="2")  # global, for distribution
        administration.add_members("newsletter", "lisa")
        administration.add_members("staff", "newsletter")

    person = backend.prove(username="lisa", password=PASSWORD)

    assert person is not None
    assert not {group for group in person.groups if "newsletter" in group or "staff" in group}
    assert person in list(backend.list_people())


def test_the_steps_of_a_connection_that_works(backend: ActiveDirectoryBackend) -> None:
    steps = list(backend.check())

    assert [step.split()[-1] for step in steps[:2]] == ["says.", "there."]
    assert steps[2].startswith("People are found there")


@pytest.mark.parametrize("which", ["password", "base", "account"])
def test_a_step_that_fails_says_why(samba: Domain, which: str) -> None:
    wrong = {
        "password": replace(configuration(samba), secrets={"bind_password": "wrong"}),
        "base": configuration(samba, base_dn="OU=Nowhere," + samba.base_dn),
        "account": configuration(samba, bind_dn="CN=nobody," + samba.base_dn),
    }
    reasons = {
        "password": "data 52e", "account": "data 52e", "base": "result 32",
    }  # fmt: skip
    backend = ActiveDirectoryBackend(wrong[which], nobody)  # type: ignore[arg-type]  # never returns

    with pytest.raises(errors.BackendUnavailableError) as raised:
        list(backend.check())

    assert reasons[which] in str(raised.value)
    with pytest.raises(errors.BackendUnavailableError) as raised:
        backend.prove(username="alice", password=PASSWORD)
    assert str(raised.value) == errors.BackendUnavailableError.message


def test_what_changed_since(samba: Domain, backend: ActiveDirectoryBackend) -> None:
    at = datetime.now(UTC)
    everybody = changes_of(backend, since=(), at=at)
    assert everybody.is_complete
    assert set(everybody.people) == set(backend.list_people())

    quiet = changes_of(backend, since=[everybody.position], at=at)
    assert (quiet.is_complete, quiet.people, quiet.gone) == (False, (), frozenset())

    with samba.administration() as administration:
        administration.add_person("newcomer")
        administration.add_person("leaver")
        leaver = administration.object_guid("leaver")
        administration.set("carol", displayName="Carol C.")
    first = changes_of(backend, since=[quiet.position], at=at)
    assert not first.is_complete
    assert {(person.username, person.name) for person in first.people} == {
        ("newcomer", "Newcomer"), ("leaver", "Leaver"), ("carol", "Carol C."),
    }  # fmt: skip

    with samba.administration() as administration:
        administration.remove("leaver")
    second = changes_of(backend, since=[first.position], at=at)
    assert (second.people, second.gone) == ((), frozenset({leaver}))


def test_whoever_moves_out_of_the_base_is_gone(samba: Domain) -> None:
    within = ActiveDirectoryBackend(
        configuration(samba, base_dn=samba_people.USERS_DN),
        nobody,  # type: ignore[arg-type]  # never returns
    )
    at = datetime.now(UTC)
    with samba.administration() as administration:
        administration.add_person("mover")
        mover = administration.object_guid("mover")
        before = changes_of(within, since=(), at=at)
        administration.move("mover", f"CN=Computers,{samba.base_dn}")

    after = changes_of(within, since=[before.position], at=at)

    assert (after.people, after.gone, after.is_complete) == ((), frozenset({mover}), False)
    assert within.find_person(external_id=mover) is None


@pytest.mark.parametrize("case", ["controller", "ahead", "old", "nonsense", "blind"])
def test_everybody_is_listed_where_the_numbers_do_not_tell(samba: Domain, case: str) -> None:
    at = datetime.now(UTC)
    backend = ActiveDirectoryBackend(configuration(samba), nobody)  # type: ignore[arg-type]  # never returns
    position = changes_of(backend, since=(), at=at).position
    controller, number, told_at = position.split("/")
    since = {
        "controller": f"{uuid4()}/{number}/{told_at}",
        "ahead": f"{controller}/{int(number) + 100_000}/{told_at}",
        "old": f"{controller}/{number}/{(at - timedelta(days=31)).isoformat()}",
        "nonsense": "nonsense",
    }.get(case, position)
    if case == "blind":  # an account that does not see what was deleted
        with samba.administration() as administration:
            administration.add_person("short-sighted")
        options = {"bind_dn": samba_people.dn("short-sighted")}
        backend = ActiveDirectoryBackend(configuration(samba, **options), nobody)  # type: ignore[arg-type]  # never returns

    assert changes_of(backend, since=[since], at=at).is_complete


_GROUP_CHANGES = {
    "nested in it gains somebody": True,
    "nested in it loses somebody": True,
    "leaves it": True,
    "it is renamed": True,
    "it is deleted": True,
    "is a distribution list now": True,
    "another one gains somebody": False,
}


@pytest.mark.parametrize("case", _GROUP_CHANGES)
def test_everybody_is_listed_when_a_group_that_gives_a_role_has_changed(
    samba: Domain, case: str
) -> None:
    role, nested, other, name = (f"{part}-{uuid4().hex[:8]}" for part in ("r", "n", "o", "p"))
    with samba.administration() as administration:
        for group in (role, nested, other):
            administration.add_group(group)
        administration.add_person(name)
        administration.add_members(role, nested)
        if case == "nested in it loses somebody":
            administration.add_members(nested, name)
        groups = {"viewer": [samba_people.dn(role).upper().replace(",", " , ")]}
        backend = ActiveDirectoryBackend(
            configuration(samba, role_groups=groups),
            nobody,  # type: ignore[arg-type]  # never returns
        )
        at = datetime.now(UTC)
        before = changes_of(backend, since=(), at=at)
        match case:
            case "nested in it gains somebody":
                administration.add_members(nested, name)
            case "nested in it loses somebody":
                administration.remove_members(nested, name)
            case "leaves it":
                administration.remove_members(role, nested)
            case "it is renamed":
                administration.rename(role, f"{role}-2")
            case "it is deleted":
                administration.remove(role)
            case "is a distribution list now":
                administration.set(nested, groupType="2")
            case _:
                administration.add_members(other, name)

    after = changes_of(backend, since=[before.position], at=at)

    assert after.is_complete is _GROUP_CHANGES[case]


def test_an_account_that_has_ended_meanwhile_is_a_change(samba: Domain) -> None:
    backend = ActiveDirectoryBackend(configuration(samba), nobody)  # type: ignore[arg-type]  # never returns
    name = f"ending-{uuid4().hex[:8]}"
    at = datetime.now(UTC)
    with samba.administration() as administration:
        administration.add_person(name, accountExpires=str(file_time(at + timedelta(days=6))))
    before = changes_of(backend, since=(), at=at)

    quiet = changes_of(backend, since=[before.position], at=at)
    later = changes_of(backend, since=[before.position], at=at + timedelta(days=6))

    assert quiet.people == ()
    assert [person.username for person in later.people] == [name]
    assert not later.is_complete


def test_the_position_at_the_controller_that_answers_counts(
    backend: ActiveDirectoryBackend,
) -> None:
    at = datetime.now(UTC)
    own = changes_of(backend, since=(), at=at).position
    other = own.replace(own.partition("/")[0], str(uuid4()))

    told = changes_of(backend, since=[other, own], at=at)

    assert (told.is_complete, told.people) == (False, ())


@pytest.mark.parametrize("state", ["must change", "expired", "disabled", "locked"])
def test_a_password_that_cannot_be_signed_in_with_can_be_changed(
    samba: Domain, acme: TenantIdentity, state: str
) -> None:
    """Where it is its age that is in the way, and nothing else."""
    new = "Another passw0rd of the bed"
    with SambaBed.of(samba) as bed:
        name = bed.make_account().username
        backend = bed.backend(acme)
        user = backend.authenticate(username=name, password=PASSWORD)
        assert user is not None
        with samba.administration() as administration:
            match state:
                case "must change":
                    administration.set(name, pwdLastSet="0")
                case "expired":
                    samba.age_password(name, days=100)
                case "disabled":
                    administration.set(name, userAccountControl="514")
                case "locked":
                    samba.lock(name)
        info = backend.get_password_info(user=user, at=datetime.now(UTC))
        refused: dict[str, type[AppError]] = {
            "disabled": errors.AccountRestrictedError, "locked": errors.AccountLockedError,
        }  # fmt: skip

        def change(old: str) -> bool:
            return backend.change_password(
                user=user, old_password=old, new_password=new, at=datetime.now(UTC)
            )

        if state in refused:
            with pytest.raises(refused[state]):
                change(PASSWORD)
        else:
            with pytest.raises(errors.WrongOldPasswordError):
                change("wrong passw0rd")
            assert change(PASSWORD)

    assert (info.must_change, info.expired, info.locked) == tuple(
        state == told for told in ("must change", "expired", "locked")
    )
    # From the lock on, for as long as the domain says; the numbers are its own.
    assert (info.locked_until is not None) == (state == "locked")
    assert samba.try_bind(name, new).succeeded is (state not in refused)
