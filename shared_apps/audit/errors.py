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


class AuditUnavailableError(UnavailableError):
    code = "audit.unavailable"
    message = "The audit database is not available."


class SealingKeyError(UnavailableError):
    code = "audit.sealing_key"
    message = "Personal fields of the audit trail cannot be opened or sealed."
