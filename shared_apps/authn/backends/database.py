"""Passwords in our own table."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from shared_apps.accounts import errors as accounts_errors
from shared_apps.accounts import new_passwords
from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.authn.backends.base import AuthBackend, PasswordInfo, are_plausible
from shared_apps.authn.errors import (
    PasswordChangeRequiredError,
    PolicyViolationError,
    WrongOldPasswordError,
)

if TYPE_CHECKING:
    from shared_apps.accounts.models import User


class DatabaseBackend(AuthBackend):
    """The user name is the e-mail address. A password does not age here (ASVS 6.2.10)."""

    name = "database"

    def authenticate(self, *, username: str, password: str) -> "User | None":
        if not are_plausible(username=username, password=password):
            accounts.spend_password_check()
            return None
        user = accounts.check_password(email=username, password=password)
        if user is not None and user.must_change_password:
            raise PasswordChangeRequiredError(user=user)
        return user

    def get_password_info(self, *, user: "User", at: datetime) -> PasswordInfo:
        password = people.get_password_state(user_id=user.pk)
        return PasswordInfo(
            source=self.name,
            fetched_at=at,
            changed_at=password.changed_at,
            expires_at=None,
            never_expires=True,
            expired=False,
            must_change=password.must_change,
            locked=False,
            locked_until=None,
            grace_logins=None,
            warn_seconds=None,
            can_change=password.is_usable,
            min_length=password.min_length,
            history=None,
        )

    def change_password(
        self, *, user: "User", old_password: str, new_password: str, at: datetime
    ) -> bool:
        self.change_password_and(
            lambda: None, user=user, old_password=old_password, new_password=new_password, at=at
        )
        return True

    def change_password_and(
        self, then: Callable[[], None], *, user: "User", old_password: str, new_password: str, at: datetime
    ) -> None:  # fmt: skip
        try:
            new_passwords.change_password(
                user_id=user.pk, old_password=old_password, new_password=new_password, at=at, then=then
            )  # fmt: skip
        except accounts_errors.WrongPasswordError:
            raise WrongOldPasswordError from None
        except accounts_errors.PasswordRejectedError as error:
            raise PolicyViolationError(reason=error.details["password"]) from None
