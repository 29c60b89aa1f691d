"""A password replaced by another. In the operator's context.

Hashing takes long and holds no lock; the row changes in one short transaction, and only if nobody
changed the password meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import passwords, selectors
from shared_apps.accounts.errors import PasswordRejectedError, WrongPasswordError
from shared_apps.accounts.models import User
from shared_apps.core import context


@dataclass(frozen=True, slots=True)
class NewPassword:
    """Accepted and hashed, and not yet anybody's."""

    user_id: UUID
    replaces: str
    """The hash that the row must still have."""
    encoded: str


def change_password(
    *, user_id: UUID, old_password: str, new_password: str, at: datetime,
    then: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Replace a password by its owner's wish, and do `then` in the same transaction.

    Raises:
        WrongPasswordError: the old one is not theirs.
        PasswordRejectedError: the new one breaks the rules or is the old one.
        PasswordChecksBusyError: too many are being checked.
    """
    user = selectors.find_user(user_id=user_id)
    if user is None or not passwords.verify_password(old_password, user.password).is_correct:
        raise WrongPasswordError
    if new_password == old_password:
        raise PasswordRejectedError(password=["This is the present password."])
    new = _accepted(user, new_password)
    with context.operator(), transaction.atomic():
        # Whoever changed it meanwhile made `old_password` a wrong one.
        if not set_password(new=new, at=at):
            raise WrongPasswordError
        then()


def prepare_password(*, user: User, new_password: str) -> NewPassword:
    """For somebody who has proven in another way who they are.

    Raises:
        PasswordRejectedError: it breaks the rules or is the present one.
        PasswordChecksBusyError: too many are being checked.
    """
    passwords.require_acceptable(new_password, person=user)
    if passwords.verify_password(new_password, user.password).is_correct:
        raise PasswordRejectedError(password=["This is the present password."])
    return _hashed(user, new_password)


def set_password(*, new: NewPassword, at: datetime) -> bool:
    """Unless it was changed since `new` was prepared."""
    with context.operator():
        unchanged = User.objects.filter(id=new.user_id, password=new.replaces, is_active=True)
        changed = unchanged.update(
            password=new.encoded, password_changed_at=at, must_change_password=False
        )
    return changed == 1


def replace_hash(*, user: User, encoded: str) -> None:
    """The same password under today's parameters; passed over if it was changed meanwhile."""
    with context.operator():
        if User.objects.filter(id=user.id, password=user.password).update(password=encoded):
            user.password = encoded


def demand_change(*, user_id: UUID) -> None:
    """Have a password open nothing but its own change."""
    with context.operator():
        User.objects.filter(id=user_id).update(must_change_password=True)


def _accepted(user: User, new_password: str) -> NewPassword:
    passwords.require_acceptable(new_password, person=user)
    return _hashed(user, new_password)


def _hashed(user: User, new_password: str) -> NewPassword:
    encoded = passwords.hash_password(new_password)
    return NewPassword(user_id=user.id, replaces=user.password, encoded=encoded)
