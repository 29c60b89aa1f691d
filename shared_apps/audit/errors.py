from collections.abc import Mapping

from shared_apps.core.errors import ConflictError, InvalidError, NotFoundError, UnavailableError


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


class ProofError(InvalidError):
    code = "audit.proof"
    message = "There is no proof of these entries."


class AnchorKeyError(InvalidError):
    code = "audit.anchor_key"
    message = "The key of the anchors cannot be used."


class AnchorPlaceError(InvalidError):
    code = "audit.anchor_place"
    message = "AUDIT_ANCHOR_PLACES names a place that is not known."


class AnchorPlaceUnavailableError(UnavailableError):
    code = "audit.anchor_place_unavailable"
    message = "A place of anchors does not answer."


class AnchorBusyError(ConflictError):
    code = "audit.anchor_busy"
    message = "Another process is taking an anchor."


class AnchorRefusedError(ConflictError):
    code = "audit.anchor_refused"
    message = "A place refuses an anchor."


class SealingKeyError(UnavailableError):
    code = "audit.sealing_key"
    message = "Personal fields of the audit trail cannot be opened or sealed."


class RetentionRefusedError(ConflictError):
    code = "audit.retention_refused"
    message = "These entries may not be removed."


class RetentionPendingError(UnavailableError):
    code = "audit.retention_pending"
    message = "The trail does not tell of the removal yet."


class SinkError(InvalidError):
    code = "audit.sink"
    message = "There can be no such sink."


class DeliveryError(UnavailableError):
    """A destination did not take what it was sent; it is sent again."""

    code = "audit.delivery"
    message = "The destination did not take the entries."


class OutboxesLeftError(UnavailableError):
    code = "audit.outboxes_left"
    message = "Some changes could not be moved into the audit database."

    def __init__(self, reasons: Mapping[str, str]) -> None:
        """`reasons`: schema → why."""
        shown = "; ".join(f"{schema}: {reason}" for schema, reason in sorted(reasons.items()))
        super().__init__(f"{self.message} {shown}")
        self.reasons = reasons
