"""The operator whom the environment names."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.accounts.errors import PasswordRejectedError
from shared_apps.accounts.new_passwords import change_password
from shared_apps.core import context
from shared_apps.onboarding.first_operator import NotAnOperatorError, ensure_operator
from shared_apps.onboarding.models import InstallationSetup
from tests.installation import Installation

AT = datetime(2026, 11, 1, tzinfo=UTC)
EMAIL = "root@example.com"
FIRST, SECOND, OWN = "first long pass phrase", "second long pass phrase", "their own pass phrase"


@pytest.fixture(autouse=True)
def _forgotten(system: Installation) -> Iterator[None]:
    yield
    with context.operator():
        InstallationSetup.objects.all().delete()


def _ensure(password: str, email: str = EMAIL) -> str:
    return ensure_operator(email=email, password=password, at=AT)


def _has(password: str) -> bool:
    return accounts.check_password(email=EMAIL, password=password) is not None


def test_made_once_and_changed_when_the_environment_changes() -> None:
    assert _ensure(FIRST) == "made"
    assert _ensure(FIRST) == ""
    assert _ensure(SECOND, "Root@Example.com") == "given the password of the environment"

    user = people.find_user_by_email(email=EMAIL)
    assert user is not None
    assert user.is_operator
    assert (_has(FIRST), _has(SECOND)) == (False, True)


def test_a_password_that_they_chose_themselves_stays() -> None:
    _ensure(FIRST)
    user = people.find_user_by_email(email=EMAIL)
    assert user is not None
    change_password(user_id=user.pk, old_password=FIRST, new_password=OWN, at=AT)

    assert _ensure(FIRST) == ""

    assert (_has(FIRST), _has(OWN)) == (False, True)


def test_nobody_else_is_made_an_operator(system: Installation) -> None:
    person = accounts.create_managed_person(email=EMAIL, name="", password=FIRST, at=AT)

    with pytest.raises(NotAnOperatorError):
        _ensure(SECOND)

    found = people.find_user(user_id=person.pk)
    assert found is not None
    assert not found.is_operator
    assert _has(FIRST)


def test_a_weak_password_is_refused_and_nothing_made() -> None:
    with pytest.raises(PasswordRejectedError):
        _ensure("short")

    assert people.find_user_by_email(email=EMAIL) is None
    with context.operator():
        assert not InstallationSetup.objects.exists()
