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


class ExportError(InvalidError):
    code = "audit.export"
    message = "The audit trail cannot be exported."


class SinkError(InvalidError):
    code = "audit.sink"
    message = "There can be no such sink."


class DeliveryError(UnavailableError):
    """A destination did not take what it was sent; it is sent again."""

    code = "audit.delivery"
    message = "The destination did not take the entries."
