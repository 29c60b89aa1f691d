"""The operator whom the environment names, so that a new installation has somebody who can sign in."""

from datetime import datetime

from django.contrib.auth import hashers
from django.db import connection, transaction

from shared_apps.accounts import new_passwords
from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.accounts.emails import validated_email
from shared_apps.authn.services.ending import end_all_sessions
from shared_apps.core import context
from shared_apps.core.errors import ConflictError
from shared_apps.onboarding.models import InstallationSetup

_FLAG = "operator:"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('freehold.first_operator'))"


class NotAnOperatorError(ConflictError):
    code = "onboarding.not_an_operator"
    message = "Somebody who is no operator has the address; no account is raised to one."


def ensure_operator(*, email: str, password: str, at: datetime) -> str:
    """Make the operator, or give them the password when the environment says another one than last time.

    A password that they chose themselves meanwhile stays, because the environment's is still the old one.
    Returns what was done, or nothing.

    Raises:
        NotAnOperatorError: nothing was changed.
        EmailError, PasswordRejectedError: as for anybody.
    """
    address = validated_email(email)
    with context.operator(), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK)
        user = people.find_user_by_email(email=address)
        if user is not None and not user.is_operator:
            raise NotAnOperatorError(email=address)
        flag = f"{_FLAG}{address}"
        setup = InstallationSetup.objects.filter(flag=flag).first() or InstallationSetup(flag=flag)
        if user is not None and setup.mark and hashers.check_password(password, setup.mark):
            return ""
        done = ""
        if user is None:
            accounts.create_operator(email=address, name="", password=password, at=at)
            done = "made"
        elif not hashers.check_password(password, user.password):
            new = new_passwords.prepare_password(user=user, new_password=password)
            if new_passwords.set_password(new=new, at=at):
                end_all_sessions(user_id=user.pk, keep=None, at=at)
                done = "given the password of the environment"
        setup.mark, setup.set_at = hashers.make_password(password), at
        setup.save()
    return done
