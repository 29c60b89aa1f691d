from typing import TYPE_CHECKING, ClassVar

from shared_apps.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitedError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from shared_apps.accounts.models import User
    from shared_apps.authn.backends.directory import DirectoryPerson


class MissingTokenError(UnauthenticatedError):
    message = "Missing authorization token"


class InvalidTokenError(UnauthenticatedError):
    """Says no more than that: which check failed is the attacker's question."""

    code = "token_not_valid"
    message = "Invalid token"


class LoginExpiredError(UnauthenticatedError):
    code = "login_expired"
    message = "This sign-in has reached its greatest age. Sign in again."


class InvalidCredentialsError(UnauthenticatedError):
    code = "invalid_credentials"
    message = "These credentials are not valid."


class TooManyAttemptsError(LimitedError):
    """The same whether or not there is such an account."""

    code = "too_many_attempts"
    message = "There were too many attempts. Try again later."


class NoMembershipError(ForbiddenError):
    """Told only to somebody who has proven who they are."""

    code = "no_membership"
    message = "You have no role here."


class ForeignPageError(ForbiddenError):
    code = "csrf_failed"
    message = "Send the CSRF token of a page of this host."


class RegistrationClosedError(ForbiddenError):
    code = "registration_closed"
    message = "People are invited here; nobody registers."


class SessionNotFoundError(NotFoundError):
    code = "authn.session_not_found"
    message = "There is no such sign-in of yours."


class ImpersonatedError(ForbiddenError):
    code = "authn.impersonated"
    message = "Nobody does this in another person's name."


class SupportAccessOffError(ForbiddenError):
    code = "authn.support_access_off"
    message = "This tenant has not allowed support to work in its people's names."


class NotImpersonableError(ForbiddenError):
    code = "authn.not_impersonable"
    message = "Nobody works in the name of an administrator, an operator or themselves."


class ImpersonationRunningError(ConflictError):
    """`id` in its details."""

    code = "authn.impersonation_running"
    message = "You are at work in somebody's name already; end that first."


class ImpersonationNotFoundError(NotFoundError):
    code = "authn.impersonation_not_found"
    message = "There is no such impersonation going on."


class InvalidTicketError(InvalidError):
    """Says no more: unknown, used, too old, of another host or for another purpose."""

    code = "ticket_not_valid"
    message = "This is not good, or not any more. Ask for a new one."


class WrongOldPasswordError(InvalidError):
    code = "wrong_old_password"
    message = "The old password is not right."


class PolicyViolationError(InvalidError):
    code = "policy_violation"
    message = "The new password does not follow the rules."


class PasswordChangeNotSupportedError(ConflictError):
    """`url` in its details, where there is one: the page at which it can be changed."""

    code = "not_supported"
    message = "The password cannot be changed here."


class OwnPasswordError(ForbiddenError):
    code = "own_password"
    message = (
        "Nobody has themselves choose a new password: change it at auth/password/change/, or ask for a link"
        " at auth/password/reset/ and stay signed in until it is used."
    )


class AccountLockedError(ConflictError):
    """Of a change; a sign-in says no more than that the credentials are not valid."""

    code = "account_locked"
    message = "This account is locked."


class PasswordDueError(ForbiddenError):
    """A new password comes first. Told only to somebody who has proven who they are, like the errors
    that follow; who that is goes no further than to the ticket for the change (tickets.py)."""

    def __init__(
        self, *, person: "DirectoryPerson | None" = None, user: "User | None" = None
    ) -> None:
        super().__init__()
        self.person = person
        self.user = user


class PasswordExpiredError(PasswordDueError):
    code = "password_expired"
    message = "This password has expired. Change it to sign in."


class PasswordChangeRequiredError(PasswordDueError):
    code = "password_change_required"
    message = "This password must be changed before the first sign-in."


class AccountRestrictedError(ForbiddenError):
    """Disabled or expired, or not now, or not from here."""

    code = "account_restricted"
    message = "This account may not be used."


class InteractionRequiredError(ForbiddenError):
    """`authorize_url` in its details."""

    code = "interaction_required"
    message = "Sign in at your organisation's own page."


class SingleSignOnRequiredError(InteractionRequiredError):
    code = "use_sso"
    message = "People sign in at their organisation's own page here."


class BackendUnavailableError(UnavailableError):
    """Down, not reachable safely, or not configured right: never said which to whoever signs in."""

    code = "auth_backend_unavailable"
    message = "Nobody can be signed in at the moment."
    retry_after: ClassVar[int] = 15


class SignInAttemptError(InvalidError):
    """Which check failed is the attacker's question, as with tokens."""

    code = "sign_in_attempt_not_valid"
    message = "This sign-in was not begun here, has ended, or took too long. Begin again."


class NoSingleSignOnError(ConflictError):
    code = "single_sign_on_not_offered"
    message = "People sign in with a password here."


class NextAddressError(InvalidError):
    code = "next_not_valid"
    message = "`next` must be a path at this host."


class UnknownBackendError(InvalidError):
    code = "unknown_auth_backend"
    message = "There is no such backend here."
