"""Attacks on how often somebody may guess, by their numbers in the threat list."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from config.env import Environment
from shared_apps.accounts.models import User
from shared_apps.authn import limits
from shared_apps.authn.errors import InvalidCredentialsError, TooManyAttemptsError
from shared_apps.authn.models import Session
from shared_apps.authn.services import opening, signing_in
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.concurrency import at_once
from tests.installation import PASSWORD
from tests.people import Person, make_person

ApiFactory = Callable[..., Api]
HOME, OFFICE, ELSEWHERE = "203.0.113.1", "203.0.113.2", "198.51.100.66"
OURS = Environment(source={"N": "127.0.0.0/8"}).networks("N")


@pytest.fixture
def victim(acme: TenantIdentity) -> Person:
    return make_person(acme)


@pytest.fixture
def behind_a_proxy() -> Iterator[None]:
    with override_settings(TRUSTED_PROXIES=OURS):
        yield


def sign_in(client: Api, username: str, password: str, address: str | None = None) -> Any:
    if address:
        client.headers = {**client.headers, "x-forwarded-for": address}
    return client.post("auth/login/", {"username": username, "password": password})


def guess(tenant: TenantIdentity, account: str, address: str | None, *, times: int) -> list[str]:
    """What each of so many wrong passwords for a directory's account leads to."""
    answers = []
    for _ in range(times):
        try:
            with limits.attempt(
                tenant_id=tenant.id, account=account, address=address, is_directory=True
            ):
                raise InvalidCredentialsError
        except (InvalidCredentialsError, TooManyAttemptsError) as error:
            answers.append(error.code)
    return answers


def sessions_of(person: Person) -> int:
    with context.operator():
        return Session.objects.filter(user=person.id).count()


def test_52_five_guesses_a_minute_and_the_same_answer_for_everybody(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, victim: Person
) -> None:
    client = api(acme)
    client.headers = {"x-request-id": "the-same"}
    refusals = []
    for name in (victim.email, "nobody@acme.example"):
        statuses = [sign_in(client, name, "wrong password").status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        refusals.append(sign_in(client, name, PASSWORD))

    known, unknown = refusals
    assert known.status_code == unknown.status_code == 429
    assert known.content == unknown.content
    assert known.json()["code"] == "too_many_attempts"
    for refusal in refusals:
        assert 1 <= int(refusal["Retry-After"]) <= 60
    assert sessions_of(victim) == 0
    # The bucket is this tenant's: the same name elsewhere is somebody else.
    assert sign_in(api(globex), victim.email, "wrong password").status_code == 401


@pytest.mark.usefixtures("behind_a_proxy")
def test_52_the_victim_still_signs_in_from_elsewhere(
    acme: TenantIdentity, api: ApiFactory, victim: Person
) -> None:
    for _ in range(8):
        last = sign_in(api(acme), victim.email, "wrong password", ELSEWHERE)
    assert last.status_code == 429
    assert sign_in(api(acme), victim.email, PASSWORD, ELSEWHERE).status_code == 429

    assert sign_in(api(acme), victim.email, PASSWORD, HOME).status_code == 200

    # It clears what failed from there, and nothing of the attacker's.
    assert sign_in(api(acme), victim.email, PASSWORD, ELSEWHERE).status_code == 429
    assert sessions_of(victim) == 1


def test_52_what_strangers_use_up_leaves_a_place_for_a_known_address(acme: TenantIdentity) -> None:
    with limits.attempt(tenant_id=acme.id, account="alice", address=HOME, is_directory=True):
        pass
    for number in range(20):
        guess(acme, "alice", f"198.51.100.{number}", times=5)

    assert guess(acme, "alice", OFFICE, times=1) == ["too_many_attempts"]
    assert guess(acme, "alice", HOME, times=4) == ["invalid_credentials"] * 3 + [
        "too_many_attempts"
    ]


def test_37_a_hundred_wrong_passwords_stay_below_the_directorys_threshold(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with limits.attempt(tenant_id=acme.id, account="alice", address=HOME, is_directory=True):
        pass
    reached: Counter[str] = Counter()
    for number in range(100):
        reached.update(guess(acme, "alice", f"198.51.100.{number}", times=1))
    reached.update(guess(acme, "EXAMPLE\\alice", HOME, times=100))

    assert reached["invalid_credentials"] == settings.DIRECTORY_FAILURES_PER_ACCOUNT == 9
    assert guess(globex, "alice", HOME, times=1) == ["invalid_credentials"]


@pytest.mark.parametrize("forwarded", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP"])
def test_49_an_address_that_is_made_up_is_not_believed(
    acme: TenantIdentity, api: ApiFactory, victim: Person, forwarded: str
) -> None:
    statuses = []
    for number in range(8):
        client = api(acme)
        client.headers = {forwarded: f"for=203.0.113.{number}" if forwarded == "Forwarded" else
                          f"203.0.113.{number}"}  # fmt: skip
        statuses.append(sign_in(client, victim.email, "wrong password").status_code)

    assert statuses == [401] * 5 + [429] * 3
    assert sessions_of(victim) == 0


@pytest.mark.usefixtures("behind_a_proxy")
def test_49_addresses_in_front_of_a_real_proxy_are_not_believed(
    acme: TenantIdentity, api: ApiFactory, victim: Person
) -> None:
    chains = [f"203.0.113.{number}, {ELSEWHERE}" for number in range(6)]
    chains += [f"{'10.0.0.1, ' * 300}{ELSEWHERE}", f"garbage, ::1, {ELSEWHERE}:4711"]

    statuses = [sign_in(api(acme), victim.email, "wrong", chain).status_code for chain in chains]

    assert statuses == [401] * 5 + [429] * 3


def test_49_hopping_through_a_network_of_ipv6(acme: TenantIdentity) -> None:
    one_owner = [f"2001:db8:0:1::{number:x}" for number in range(1, 9)]
    one_owner.append("2001:db8:0:1:ffff:ffff:ffff:ffff")

    answers = [guess(acme, "alice", address, times=1)[0] for address in one_owner]

    assert answers == ["invalid_credentials"] * 5 + ["too_many_attempts"] * 4
    assert guess(acme, "alice", "2001:db8:0:2::1", times=1) == ["invalid_credentials"]
    # One address in two writings.
    assert guess(acme, "bob", HOME, times=5) == ["invalid_credentials"] * 5
    assert guess(acme, "bob", f"::ffff:{HOME}", times=1) == ["too_many_attempts"]


def writings_of(name: str) -> list[str]:
    """Names that one directory or another takes for the same."""
    return [
        name, name.upper(), f" {name}", f"{name} ", f"{name}\x00", f"\x00{name}",
        f"{name[:2]}\u200b{name[2:]}", name.replace("a", "\uff41"), f"{name}\r\n",
        f"\u202e{name}", f"{name}\ud800",
    ]  # fmt: skip


def test_50_writings_of_one_name_are_one_bucket(
    acme: TenantIdentity, api: ApiFactory, victim: Person
) -> None:
    names = writings_of(victim.email)

    statuses = [sign_in(api(acme), name, "wrong password").status_code for name in names]

    assert statuses == [401] * 5 + [429] * 6
    assert sessions_of(victim) == 0


@pytest.mark.parametrize("turn", range(3))
def test_50_writings_of_one_name_in_a_directory(acme: TenantIdentity, turn: int) -> None:
    others = ["alice", "EXAMPLE\\alice", "example.com\\Alice", "alice@other.example"]
    names = [*writings_of("alice@example.com"), *others]
    # Whichever come first.
    names = names[5 * turn :] + names[: 5 * turn]

    answers = [guess(acme, name, HOME, times=1)[0] for name in names]

    assert answers == ["invalid_credentials"] * 5 + ["too_many_attempts"] * 10
    assert guess(acme, "alicia", HOME, times=1) == ["invalid_credentials"]


def test_50_unlike_names_of_one_person_are_one_bucket(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """A user name and another address, say, by which the directory finds the same entry."""
    for _ in range(settings.DIRECTORY_FAILURES_PER_ACCOUNT):
        with limits.bind(tenant_id=acme.id, external_id="a-guid"):
            raise limits.WrongPassword

    with pytest.raises(TooManyAttemptsError), limits.bind(tenant_id=acme.id, external_id="a-guid"):
        raise AssertionError("the directory is asked once more")
    with limits.bind(tenant_id=globex.id, external_id="a-guid"):
        pass


def test_51_without_redis_nobody_signs_in_and_whoever_has_goes_on(
    acme: TenantIdentity, api: ApiFactory, victim: Person, caplog: pytest.LogCaptureFixture
) -> None:
    client = api(acme)
    client.sign_in(victim.email, PASSWORD)

    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        refused = sign_in(api(acme), victim.email, PASSWORD)
        assert client.get("auth/user/").status_code == 200
        renewed = client.post("auth/refresh/", {"refresh": client.tokens["refresh"]})

    assert (refused.status_code, refused.json()["code"]) == (503, "auth_backend_unavailable")
    assert refused["Retry-After"] == "15"
    assert renewed.status_code == 200
    assert "Sign-ins are refused: the limiter cannot count" in caplog.text
    assert sessions_of(victim) == 1
    assert sign_in(api(acme), victim.email, PASSWORD).status_code == 200


def test_53_two_hundred_guesses_at_once_are_five(acme: TenantIdentity, victim: Person) -> None:
    def guess_once() -> str:
        try:
            signing_in.sign_in(
                tenant_id=acme.id, username=victim.email, password="wrong password",
                client=opening.Client(ip=HOME, user_agent=""), at=datetime.now(UTC),
            )  # fmt: skip
        except (InvalidCredentialsError, TooManyAttemptsError) as error:
            return error.code
        raise AssertionError("signed in with a wrong password")

    # In waves, because each thread has a connection of its own to PostgreSQL here.
    answers = Counter(answer for _ in range(4) for answer in at_once([guess_once] * 50))

    assert answers == {"invalid_credentials": 5, "too_many_attempts": 195}
    assert sessions_of(victim) == 0


@pytest.mark.usefixtures("behind_a_proxy")
def test_54_guessing_the_old_password_is_the_same_guessing(
    acme: TenantIdentity, api: ApiFactory, victim: Person, caplog: pytest.LogCaptureFixture
) -> None:
    client = api(acme)
    client.headers = {"x-forwarded-for": ELSEWHERE}
    client.sign_in(victim.email, PASSWORD)
    client.headers = {**client.headers, "x-forwarded-for": ELSEWHERE}
    with context.operator():
        before = User.objects.get(id=victim.id).password

    def change(old: str) -> int:
        body = {"old_password": old, "new_password": "another long pass phrase"}
        status: int = client.post("auth/password/change/", body).status_code
        return status

    assert [change(f"guess {number}") for number in range(4)] == [400] * 4
    assert sign_in(api(acme), victim.email, "guess 5", ELSEWHERE).status_code == 401
    assert change("guess 6") == 429
    assert change(PASSWORD) == 429
    assert sign_in(api(acme), victim.email, PASSWORD, ELSEWHERE).status_code == 429
    with context.operator():
        assert User.objects.get(id=victim.id).password == before
    assert "guess" not in caplog.text


@pytest.mark.usefixtures("behind_a_proxy")
def test_48_many_names_with_one_password(acme: TenantIdentity, api: ApiFactory) -> None:
    with override_settings(SIGN_IN_FAILURES_PER_ADDRESS=10):
        names = [f"person{number}@acme.example" for number in range(12)]
        statuses = [
            sign_in(api(acme), name, "Summer2026!", ELSEWHERE).status_code for name in names
        ]
        assert statuses == [401] * 10 + [429] * 2
        assert sign_in(api(acme), "person1@acme.example", "x", OFFICE).status_code == 401


def test_right_passwords_cost_nothing(acme: TenantIdentity, api: ApiFactory) -> None:
    """A whole office behind one address, in the morning."""
    with override_settings(SIGN_IN_FAILURES_PER_ADDRESS=5):
        for _ in range(12):
            assert sign_in(api(acme), "viewer@acme.example", PASSWORD).status_code == 200
        mistyped = [sign_in(api(acme), "viewer@acme.example", "x").status_code for _ in range(4)]
        assert mistyped == [401] * 4
        assert sign_in(api(acme), "viewer@acme.example", PASSWORD).status_code == 200
        mistyped = [sign_in(api(acme), "viewer@acme.example", "x").status_code for _ in range(4)]
        assert mistyped == [401] * 4


def test_no_name_and_no_address_is_readable_in_redis(acme: TenantIdentity) -> None:
    guess(acme, "alice@example.com", HOME, times=1)

    client = limits.windows.client()
    kept = [key.decode() for key in client.scan_iter(match="*limits*")]

    assert len(kept) == 6
    assert not [key for key in kept if "alice" in key or HOME in key]
    assert all(client.ttl(key) > 0 for key in kept)
