"""Hashing and judging passwords, so many at a time. No database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import hashers, password_validation
from django.core.exceptions import ValidationError

from shared_apps.accounts.errors import PasswordChecksBusyError, PasswordRejectedError
from shared_apps.core.text import has_unusable_characters

MAXIMUM_LENGTH = 1024
# How many may wait for each that runs: some seconds, after which a client has given up anyway.
_WAITING_PER_PLACE = 8


class Gate:
    """Lets `at_once` through together and `waiting` more stand in line.

    Argon2 takes 64 MiB a time, so what bounds the memory of a flood of sign-ins is this.
    """

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(at_once + waiting)
        self._running = threading.BoundedSemaphore(at_once)

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Raises PasswordChecksBusyError when the line is full."""
        if not self._places.acquire(blocking=False):
            raise PasswordChecksBusyError
        try:
            with self._running:
                yield
        finally:
            self._places.release()


@lru_cache(maxsize=1)
def _gate() -> Gate:
    at_once: int = settings.PASSWORD_CHECKS_AT_ONCE
    return Gate(at_once=at_once, waiting=at_once * _WAITING_PER_PLACE)


@dataclass(frozen=True)
class PasswordCheck:
    is_correct: bool
    needs_rehash: bool
    """The hash was made with other parameters than today's."""


def hash_password(password: str) -> str:
    """Raises PasswordChecksBusyError."""
    with _gate().passed():
        return hashers.make_password(password)


def verify_password(password: str, encoded: str | None) -> PasswordCheck:
    """Compare; without a usable hash to compare with, spend the same time and say no.

    Raises:
        PasswordChecksBusyError: too many wait already.
    """
    with _gate().passed():
        correct, outdated = hashers.verify_password(password, encoded or unusable_hash())
    return PasswordCheck(is_correct=correct, needs_rehash=correct and outdated)


def unusable_hash() -> str:
    return hashers.make_password(None)


def minimum_length() -> int | None:
    for validator in password_validation.get_default_password_validators():
        if isinstance(validator, password_validation.MinimumLengthValidator):
            return validator.min_length
    return None


def require_acceptable(password: str, *, person: Any) -> None:
    """Judge a new password; `person` has the attributes that it must not resemble.

    Raises:
        PasswordRejectedError: with the reasons under `password`.
    """
    if len(password) > MAXIMUM_LENGTH:
        reasons = [f"This password is longer than {MAXIMUM_LENGTH} characters."]
    elif has_unusable_characters(password):
        reasons = ["This password contains control characters."]
    else:
        try:
            password_validation.validate_password(password, user=person)
        except ValidationError as error:
            reasons = error.messages
        else:
            return
    raise PasswordRejectedError(password=reasons)
