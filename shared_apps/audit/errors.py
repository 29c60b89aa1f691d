from shared_apps.core.errors import InvalidError, NotFoundError, UnavailableError


class EntryNotFoundError(NotFoundError):
    code = "audit.entry_not_found"
    message = "There is no such audit entry."


class RecordNotFoundError(NotFoundError):
    code = "audit.record_not_found"
    message = "The audit trail knows no such record."


class FilterError(InvalidError):
    code = "audit.invalid_filter"
    message = "Validation failed"


class CursorError(InvalidError):
    code = "audit.invalid_cursor"
    message = "Validation failed"


class AuditUnavailableError(UnavailableError):
    code = "audit.unavailable"
    message = "The audit database is not available."


class ExportError(InvalidError):
    code = "audit.export"
    message = "The audit trail cannot be exported."
