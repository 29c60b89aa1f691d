from shared_apps.core.errors import ForbiddenError, InvalidError


class NoGrantError(ForbiddenError):
    code = "portfolio.no_grant"
    message = "Insufficient permissions"


class CursorError(InvalidError):
    code = "portfolio.invalid_cursor"
    message = "Validation failed"
