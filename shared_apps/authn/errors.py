from shared_apps.core.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)


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


class NoMembershipError(ForbiddenError):
    """Told only to somebody who has proven who they are."""

    code = "no_membership"
    message = "You have no role here."


class RegistrationClosedError(ForbiddenError):
    code = "registration_closed"
    message = "People are invited here; nobody registers."


class SessionNotFoundError(NotFoundError):
    code = "authn.session_not_found"
    message = "There is no such sign-in of yours."


class WrongOldPasswordError(InvalidError):
    code = "wrong_old_password"
    message = "The old password is not right."


class PolicyViolationError(InvalidError):
    code = "policy_violation"
    message = "The new password does not follow the rules."
