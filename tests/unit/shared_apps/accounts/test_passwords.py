import threading

import pytest
from django.contrib.auth import password_validation
from django.contrib.auth.hashers import get_hasher
from django.test import override_settings

from shared_apps.accounts import passwords
from shared_apps.accounts.errors import PasswordChecksBusyError, PasswordRejectedError
from shared_apps.accounts.models import User
from tests.concurrency import at_once

PERSON = User(email="margaret.hamilton@example.com", name="Margaret Hamilton")


def test_the_gate_lets_so_many_through_at_once() -> None:
    gate = passwords.Gate(at_once=2, waiting=6)
    inside, most, lock, tick = 0, 0, threading.Lock(), threading.Event()

    def work() -> None:
        nonlocal inside, most
        with gate.passed():
            with lock:
                inside += 1
                most = max(most, inside)
            tick.wait(0.02)
            with lock:
                inside -= 1

    assert at_once([work] * 8) == [None] * 8
    assert most == 2


def test_the_gate_refuses_when_the_line_is_full_and_opens_again() -> None:
    gate = passwords.Gate(at_once=1, waiting=0)

    with gate.passed(), pytest.raises(PasswordChecksBusyError), gate.passed():
        pass

    with gate.passed():
        pass


def test_the_gate_is_left_when_the_work_fails() -> None:
    gate = passwords.Gate(at_once=1, waiting=0)

    with pytest.raises(ZeroDivisionError), gate.passed():
        raise ZeroDivisionError

    with gate.passed():
        pass


def test_a_hash_is_verified_and_does_not_hold_the_password() -> None:
    encoded = passwords.hash_password("correct horse battery")

    assert "correct" not in encoded
    assert passwords.verify_password("correct horse battery", encoded).is_correct
    assert not passwords.verify_password("Correct horse battery", encoded).is_correct


@pytest.mark.parametrize(
    "encoded",
    [None, pytest.param(passwords.unusable_hash(), id="unusable"), "", "nonsense"],
)
def test_nothing_is_right_without_a_usable_hash(encoded: str | None) -> None:
    assert not passwords.verify_password("", encoded).is_correct
    assert not passwords.verify_password("anything", encoded).is_correct


def test_a_hash_of_other_parameters_is_to_be_replaced() -> None:
    encoded = passwords.hash_password("correct horse battery")
    hashers = ["shared_apps.accounts.hashers.LowMemoryArgon2PasswordHasher"]

    with override_settings(PASSWORD_HASHERS=hashers):
        assert passwords.verify_password("correct horse battery", encoded).needs_rehash
        assert not passwords.verify_password("wrong", encoded).needs_rehash


def test_production_hashes_with_argon2id_at_rfc_9106s_low_memory_parameters() -> None:
    hashers = ["shared_apps.accounts.hashers.LowMemoryArgon2PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers):
        encoded = get_hasher().encode("correct horse battery", "saltsaltsalt")

    assert encoded.startswith("argon2$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "elevenchars",
        "password1234",
        "PASSWORD1234",
        "startfinding",  # of the list of common ones
        "margaret.hamilton",
        "Margaret Hamilton",
        "with\x00a nul inside",
        "x" * 1025,
    ],
)
def test_require_acceptable_refuses(password: str) -> None:
    with pytest.raises(PasswordRejectedError) as refusal:
        passwords.require_acceptable(password, person=PERSON)

    assert refusal.value.details["password"]


@pytest.mark.parametrize(
    "password",
    [
        "twelve-chars",
        "x7" * 32 + "!",
        "пароль на русском",
        " blanks at both ends ",
        "🐎" * 12,
        "aaaaaaaaaaaa1",
        "e\u0301t\u00e9 " * 4,
        "\u200bwith a zero width",
        "x7" * 512,
    ],
)
def test_require_acceptable_asks_for_length_and_nothing_else(password: str) -> None:
    passwords.require_acceptable(password, person=PERSON)


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("l\u00e9gitime \u00e9t\u00e9", "le\u0301gitime e\u0301te\u0301"),  # composed, decomposed
        ("stra\u00dfe nach berlin", "strasse nach berlin"),
        (" blanks at both ends ", "blanks at both ends"),
        ("ends in a zero width\u200b", "ends in a zero width"),
        ("correct horse batter\u0443", "correct horse battery"),
        ("x" * 72 + "one", "x" * 72 + "two"),
    ],
)
def test_a_password_is_taken_exactly_as_it_was_typed(password: str, other: str) -> None:
    encoded = passwords.hash_password(password)

    assert passwords.verify_password(password, encoded).is_correct
    assert not passwords.verify_password(other, encoded).is_correct


def test_the_list_of_common_passwords_is_long_enough() -> None:
    [common] = [
        validator
        for validator in password_validation.get_default_password_validators()
        if isinstance(validator, password_validation.CommonPasswordValidator)
    ]

    assert len(common.passwords) > 3000
