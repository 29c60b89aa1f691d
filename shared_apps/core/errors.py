"""What can go wrong, in the words of the business.

    AppError
    ├── InvalidError        what was sent cannot be accepted (400)
    ├── UnauthenticatedError  nobody has proven who they are (401)
    ├── ForbiddenError      they have, and may not (403)
    ├── NotFoundError       it is not there, or it belongs to somebody else (404)
    ├── ConflictError       the state of things forbids it (409)
    ├── GoneError           it was there, and its time is over (410)
    ├── PreconditionFailedError  it is another version than the caller had seen (412)
    ├── PreconditionRequiredError  the caller has to say which version that was (428)
    ├── LimitedError        too often; try again later (429)
    └── UnavailableError    try again later (503)

An app's `errors.py` derives its own and gives each a `code` (`app.fact`) and a message. Only
`core/problems.py` knows HTTP.
"""

from typing import Any, ClassVar


class AppError(Exception):
    """Base of all expected errors; `details` is shown to the caller, so it holds no secrets."""

    code: ClassVar[str] = "error"
    message: ClassVar[str] = "The request could not be carried out."

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.text = message or self.message
        self.details = details
        super().__init__(self.text)


class InvalidError(AppError):
    code = "invalid"
    message = "Validation failed"


class UnauthenticatedError(AppError):
    code = "not_authenticated"
    message = "Authentication is required."


class ForbiddenError(AppError):
    code = "permission_denied"
    message = "Insufficient permissions"


class NotFoundError(AppError):
    code = "not_found"
    message = "Not found."


class ConflictError(AppError):
    code = "conflict"
    message = "The current state does not allow this."


class GoneError(AppError):
    code = "gone"
    message = "The time for this is over."


class PreconditionFailedError(AppError):
    code = "precondition_failed"
    message = "It has been changed since: read it again."


class PreconditionRequiredError(AppError):
    code = "precondition_required"
    message = "Say which version is to be changed: If-Match with the ETag that was read."


class LimitedError(AppError):
    code = "too_many_requests"
    message = "Too many requests."

    def __init__(self, *, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after
        """Seconds after which a client should try again."""


class UnavailableError(AppError):
    code = "unavailable"
    message = "The service is temporarily unavailable."
    retry_after: ClassVar[int] = 5
    """Seconds after which a client should try again."""


class TenantContextRequired(RuntimeError):
    """Code that needs to know on whose behalf it runs was run on nobody's."""

    # A worker's process sends its errors to the parent, which makes them again from `args`.
    def __init__(
        self,
        message: str = "no tenant or operator context: enter one with context.tenant(...) or context.operator()",
    ) -> None:
        super().__init__(message)


class ContextOrderError(RuntimeError):
    """A context was left that was not the innermost, or where it had not been entered."""

    def __init__(
        self,
        message: str = "a context block was left out of order: a generator was suspended inside one; "
        "iterate over context.handed_over(generator) instead",
    ) -> None:
        super().__init__(message)


def explain(error: Exception) -> str:
    """One line, without what only a log may hold."""
    text = error.text if isinstance(error, AppError) else str(error)
    return text.strip().split("\n", 1)[0] or type(error).__name__
