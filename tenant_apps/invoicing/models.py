"""Vendors and the invoices they are sent. People are known here by their id only: no foreign key
leaves the tenant's schema."""

import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from shared_apps.audit.models import Auditable
from shared_apps.core.base_models import TimeStampedModel, VersionedModel
from shared_apps.core.personal import ACCOUNTABILITY, ID_ALONE, Emptied, Kept, Rule
from shared_apps.tenants.ownership import TenantModel
from tenant_apps.invoicing.choices import InvoiceKind, InvoiceStatus, VatRounding
from tenant_apps.invoicing.totals import AMOUNT, QUANTITY, TAX_RATE, UNIT_PRICE

_CURRENCY_RULE = r"^[A-Z]{3}$"
_MADE_BY = Kept(by="created_by", reason=ID_ALONE, ground=ACCOUNTABILITY)


def _amount_field() -> "models.DecimalField[Any, Decimal]":
    return models.DecimalField(max_digits=AMOUNT.total, decimal_places=AMOUNT.places)


class Vendor(TenantModel, TimeStampedModel, VersionedModel, Auditable):
    """A business partner. Neither name nor VAT number is unique: branches of one firm share both."""

    personal: ClassVar[tuple[Rule, ...]] = (
        Kept(
            by="email",
            columns=("name", "vat_id", "address"),
            reason="name and address of a business partner: issued invoices need them. Where the partner is "
            "the person and has no issued invoice, the tenant deletes it",
            ground="GDPR Art. 17(3)(b) with the tax law of the tenant, in Germany § 147 AO, § 14b UStG",
        ),
        Emptied(by="email", columns={"email": ""}),
        _MADE_BY,
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    vat_id = models.CharField(max_length=32, blank=True)
    email = models.CharField(max_length=254, blank=True)
    address = models.CharField(max_length=1000, blank=True)
    created_by = models.UUIDField(editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="vendor_has_a_name", condition=Q(name__regex=r"\S")),
        ]
        indexes = [
            models.Index(name="vendor_by_name", fields=["name", "id"]),
            models.Index(name="vendor_by_age", fields=["created_at", "id"]),
        ]

    def __str__(self) -> str:
        return self.name


class Invoice(TenantModel, TimeStampedModel, VersionedModel, Auditable):
    """An invoice or a credit note. Once issued only the columns of its further life change.

    That rule, and the same for its items, is a trigger (migration 0002), so it holds for raw SQL too.
    """

    personal: ClassVar[tuple[Rule, ...]] = (_MADE_BY,)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=InvoiceKind, default=InvoiceKind.INVOICE)
    status = models.CharField(max_length=8, choices=InvoiceStatus, default=InvoiceStatus.DRAFT)
    # The indexes below begin with the vendor, so Django's own would be the second of its kind.
    vendor = models.ForeignKey(
        Vendor, on_delete=models.PROTECT, related_name="invoices", db_index=False
    )
    original = models.OneToOneField(
        "self", on_delete=models.PROTECT, related_name="credit_note", null=True
    )
    """What a credit note takes back; at most one may take back the same invoice."""
    currency = models.CharField(max_length=3)
    rounding = models.CharField(max_length=8, choices=VatRounding)
    net = _amount_field()
    tax = _amount_field()
    amount = _amount_field()
    year = models.PositiveSmallIntegerField(null=True)
    number = models.PositiveIntegerField(null=True)
    due_date = models.DateField(null=True)
    created_by = models.UUIDField(editable=False)
    issued_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)
    voided_at = models.DateTimeField(null=True)
    credited_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="invoice_number_is_unique", fields=["year", "number"]),
            models.CheckConstraint(
                name="invoice_kind_rule",
                condition=Q(kind=InvoiceKind.INVOICE, original__isnull=True, net__gte=0, tax__gte=0)
                | Q(kind=InvoiceKind.CREDIT_NOTE, original__isnull=False, net__lte=0, tax__lte=0),
            ),
            models.CheckConstraint(
                name="invoice_numbered_when_issued",
                condition=Q(
                    status=InvoiceStatus.DRAFT,
                    year__isnull=True,
                    number__isnull=True,
                    issued_at__isnull=True,
                )
                | Q(
                    ~Q(status=InvoiceStatus.DRAFT),
                    year__isnull=False,
                    number__gte=1,
                    issued_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="invoice_status_rule",
                condition=Q(status__in=[InvoiceStatus.DRAFT, InvoiceStatus.ISSUED])
                | Q(status=InvoiceStatus.PAID, paid_at__isnull=False)
                | Q(status=InvoiceStatus.VOID, voided_at__isnull=False)
                | Q(status=InvoiceStatus.CREDITED, credited_at__isnull=False),
            ),
            models.CheckConstraint(
                name="invoice_currency_rule", condition=Q(currency__regex=_CURRENCY_RULE)
            ),
            models.CheckConstraint(
                name="invoice_rounding_rule", condition=Q(rounding__in=VatRounding.values)
            ),
            models.CheckConstraint(name="invoice_adds_up", condition=Q(amount=F("net") + F("tax"))),
        ]
        indexes = [
            models.Index(name="invoice_by_age", fields=["created_at", "id"]),
            models.Index(name="invoice_by_status", fields=["status", "created_at"]),
            models.Index(name="invoice_by_vendor", fields=["vendor", "created_at"]),
            models.Index(name="invoice_by_issue", fields=["issued_at", "id"]),
            models.Index(name="invoice_by_due_date", fields=["due_date", "id"]),
            models.Index(name="invoice_by_amount", fields=["amount", "id"]),
        ]

    def __str__(self) -> str:
        return self.reference or f"draft {self.id}"

    @property
    def is_draft(self) -> bool:
        return self.status == InvoiceStatus.DRAFT

    @property
    def is_credit_note(self) -> bool:
        return self.kind == InvoiceKind.CREDIT_NOTE

    @property
    def reference(self) -> str | None:
        """The number as printed, `2026-00042`; None while it is a draft."""
        return None if self.number is None else f"{self.year}-{self.number:05}"


class InvoiceItem(TenantModel, Auditable):
    """A line of an invoice with the amounts it was computed to."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # The unique constraint below begins with the invoice.
    invoice = models.ForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="items", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    description = models.CharField(max_length=500)
    quantity = models.DecimalField(max_digits=QUANTITY.total, decimal_places=QUANTITY.places)
    unit_price = models.DecimalField(max_digits=UNIT_PRICE.total, decimal_places=UNIT_PRICE.places)
    tax_rate = models.DecimalField(max_digits=TAX_RATE.total, decimal_places=TAX_RATE.places)
    net = _amount_field()
    tax = _amount_field()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(name="item_position_is_unique", fields=["invoice", "position"]),
            models.CheckConstraint(name="item_has_a_text", condition=Q(description__regex=r"\S")),
            models.CheckConstraint(name="item_quantity_rule", condition=~Q(quantity=0)),
            models.CheckConstraint(name="item_unit_price_rule", condition=Q(unit_price__gte=0)),
            models.CheckConstraint(
                name="item_tax_rate_rule", condition=Q(tax_rate__gte=0, tax_rate__lte=1)
            ),
        ]


class InvoiceNumberCounter(TenantModel, Auditable):
    """The last number given in a year. Locked by whoever issues, until the transaction ends."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    year = models.PositiveSmallIntegerField(unique=True)
    last_number = models.PositiveIntegerField(default=0)


class InvoicingPolicy(TenantModel, Auditable):
    """How this tenant invoices: one row, or none while nobody has changed the defaults."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    is_only = models.BooleanField(default=True, unique=True, editable=False)
    vat_rounding = models.CharField(max_length=8, choices=VatRounding, default=VatRounding.LINE)
    default_currency = models.CharField(max_length=3, default="EUR")
    payment_terms_days = models.PositiveSmallIntegerField(default=30)

    class Meta:
        constraints = [
            models.CheckConstraint(name="policy_is_only", condition=Q(is_only=True)),
            models.CheckConstraint(
                name="policy_vat_rounding_rule", condition=Q(vat_rounding__in=VatRounding.values)
            ),
            models.CheckConstraint(
                name="policy_currency_rule", condition=Q(default_currency__regex=_CURRENCY_RULE)
            ),
            models.CheckConstraint(
                name="policy_terms_rule", condition=Q(payment_terms_days__lte=3650)
            ),
        ]
