from django.db import models


class InvoiceKind(models.TextChoices):
    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class InvoiceStatus(models.TextChoices):
    """draft → issued → paid | void | credited; paid → credited. From issued on only this changes."""

    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    PAID = "PAID"
    VOID = "VOID"
    CREDITED = "CREDITED"


TRANSITIONS: dict[InvoiceStatus, frozenset[InvoiceStatus]] = {
    InvoiceStatus.DRAFT: frozenset({InvoiceStatus.ISSUED}),
    InvoiceStatus.ISSUED: frozenset(
        {InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.CREDITED}
    ),
    # What was paid by mistake can only be put right by a credit note.
    InvoiceStatus.PAID: frozenset({InvoiceStatus.CREDITED}),
    InvoiceStatus.VOID: frozenset(),
    InvoiceStatus.CREDITED: frozenset(),
}


class VatRounding(models.TextChoices):
    """Where VAT is rounded to whole coins: on each line, or once per rate (EN 16931, BR-CO-17).

    Lower case, because it is a setting that people write rather than a state.
    """

    LINE = "line"
    DOCUMENT = "document"
