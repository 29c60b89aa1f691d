from collections.abc import Mapping

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


class OutboxesLeftError(UnavailableError):
    code = "audit.outboxes_left"
    message = "Some changes could not be moved into the audit database."

    def __init__(self, reasons: Mapping[str, str]) -> None:
        """`reasons`: schema → why."""
        shown = "; ".join(f"{schema}: {reason}" for schema, reason in sorted(reasons.items()))
        super().__init__(f"{self.message} {shown}")
        self.reasons = reasons
