from shared_apps.core.errors import ConflictError, NotFoundError, UnavailableError


class MailNotFoundError(NotFoundError):
    code = "mail.not_found"
    message = "There is no such mail."


class MailNotFailedError(ConflictError):
    code = "mail.not_failed"
    message = "Only a mail that could not be sent, and is still of use, can be sent again."


class MailNotConfiguredError(UnavailableError):
    code = "mail.not_configured"
    message = "EMAIL_URL is not set, so mail waits."


class MailNotSentError(UnavailableError):
    code = "mail.not_sent"
    message = "The mail could not be sent."
