"""A password changed by whoever knows it, signed in or by a ticket. In the operator's context.

Every wrong old password passes through `_change`.
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from shared_apps.authn import backends, notices, tickets
from shared_apps.authn.backends.base import AuthBackend
from shared_apps.authn.choices import TicketPurpose
from shared_apps.authn.errors import WrongOldPasswordError
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.services.ending import end_all_sessions
from shared_apps.authn.services.signing_in import guessing, reason_withheld
from shared_apps.core import attribution
from shared_apps.core.errors import AppError

if TYPE_CHECKING:
    from shared_apps.accounts.models import User


def change_password(
    *, sign_in: SignIn, old_password: str, new_password: str, keep_current: bool, at: datetime
) -> None:
    """Change the password where it is kept, and end all of the person's sessions everywhere.

    Raises:
        WrongOldPasswordError, PolicyViolationError: nothing was changed.
        AccountLockedError, PasswordChangeNotSupportedError, UnavailableError: as the backend says.
    """
    with reason_withheld():
        backend = backends.backend_of_session(sign_in.session_id, tenant_id=sign_in.tenant_id)
    _change(
        backend, sign_in.user, tenant_id=sign_in.tenant_id, old_password=old_password,
        new_password=new_password, keep=sign_in.session_id if keep_current else None, at=at,
    )  # fmt: skip


def change_due_password(
    *, tenant_id: UUID | None, ticket: str, old_password: str, new_password: str, at: datetime
) -> None:
    """Change a password that was refused at the sign-in as due, by the ticket that was given there.

    A wrong old password uses the ticket up as well: it was known a moment ago.

    Raises:
        InvalidTicketError, and what `change_password` raises.
    """
    found = tickets.find(
        token=ticket, purpose=TicketPurpose.PASSWORD_CHANGE, tenant_id=tenant_id, at=at
    )
    assert found.user is not None  # a constraint of the table
    tickets.use_up(found, at=at)
    try:
        with attribution.acting(replace(attribution.current(), user_id=found.user.pk)):
            with reason_withheld():
                backend = backends.backend_of_person(found.user, tenant_id=tenant_id)
            _change(
                backend, found.user, tenant_id=tenant_id, old_password=old_password,
                new_password=new_password, keep=None, at=at,
            )  # fmt: skip
    except WrongOldPasswordError:
        raise
    except AppError:
        tickets.give_back(found, at=at)
        raise


def _change(
    backend: AuthBackend, user: "User", *, tenant_id: UUID | None, old_password: str, new_password: str, keep: UUID | None,
    at: datetime,
) -> None:  # fmt: skip
    def then() -> None:
        end_all_sessions(user_id=user.pk, keep=keep, at=at)
        notices.post_changed(user=user, tenant_id=tenant_id, at=at)

    address = attribution.current().ip
    with (
        reason_withheld(),
        guessing(backend, tenant_id=tenant_id, account=user.email or str(user.pk), address=address),
    ):
        backend.change_password_and(
            then, user=user, old_password=old_password, new_password=new_password, at=at
        )
