from shared_apps.core.errors import ConflictError, InvalidError, NotFoundError


class VendorNotFoundError(NotFoundError):
    code = "invoicing.vendor_not_found"
    message = "There is no such vendor."


class VendorUnknownError(InvalidError):
    """An invoice names a vendor that this tenant does not have."""

    code = "invoicing.vendor_unknown"


class VendorInUseError(ConflictError):
    code = "invoicing.vendor_in_use"
    message = "A vendor with invoices cannot be deleted."


class InvoiceNotFoundError(NotFoundError):
    code = "invoicing.invoice_not_found"
    message = "There is no such invoice."


class InvoiceNotDraftError(ConflictError):
    code = "invoicing.invoice_not_draft"
    message = "An issued invoice cannot be changed."


class InvoiceEmptyError(ConflictError):
    code = "invoicing.invoice_empty"
    message = "An invoice without items cannot be issued."


class InvoiceStatusError(ConflictError):
    code = "invoicing.invoice_status"
    message = "The status of the invoice does not allow this."


class CreditNoteError(ConflictError):
    code = "invoicing.credit_note"
    message = "A credit note can be neither voided nor credited."


class LineInvalidError(InvalidError):
    code = "invoicing.line_invalid"


class AmountTooLargeError(InvalidError):
    code = "invoicing.amount_too_large"


class ImportFileError(InvalidError):
    """An uploaded file cannot be read as a table of invoices."""

    code = "invoicing.import_file"
