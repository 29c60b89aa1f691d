from shared_apps.core.errors import ForbiddenError


class NoGrantError(ForbiddenError):
    code = "portfolio.no_grant"
    message = "Insufficient permissions"
