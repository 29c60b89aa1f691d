"""The shape of what the API takes and gives; nothing is read or written here."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from shared_apps.core.fields import (
    AmountField,
    CurrencyField,
    ExactDecimalField,
    MoneyField,
    TextField,
)
from shared_apps.core.serializers import InputSerializer
from tenant_apps.invoicing.choices import InvoiceKind, InvoiceStatus, VatRounding
from tenant_apps.invoicing.totals import QUANTITY, TAX_RATE, UNIT_PRICE, Line

MOST_ITEMS = 1000


class VendorSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    vat_id = serializers.CharField()
    email = serializers.CharField()
    address = serializers.CharField()
    created_at = serializers.DateTimeField()
    created_by = serializers.UUIDField(allow_null=True)


class VendorV2Serializer(VendorSerializer):
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()


class VendorCreateInput(InputSerializer):
    name = TextField(max_length=200)
    vat_id = TextField(max_length=32, required=False, allow_blank=True)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    address = TextField(max_length=1000, required=False, allow_blank=True)


class VendorChangeInput(VendorCreateInput):
    name = TextField(max_length=200, required=False)


class InvoiceItemSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    description = serializers.CharField()
    quantity = ExactDecimalField(digits=QUANTITY)
    unit_price = AmountField(currency="invoice.currency", places=UNIT_PRICE.places)
    tax_rate = ExactDecimalField(digits=TAX_RATE)
    net = AmountField(currency="invoice.currency")
    tax = AmountField(currency="invoice.currency")


class InvoiceSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=InvoiceKind.choices)
    status = serializers.ChoiceField(choices=InvoiceStatus.choices)
    year = serializers.IntegerField(allow_null=True)
    number = serializers.IntegerField(allow_null=True)
    reference = serializers.CharField(allow_null=True)
    vendor = serializers.UUIDField(source="vendor_id")
    vendor_name = serializers.CharField(source="vendor.name")
    original = serializers.UUIDField(source="original_id", allow_null=True)
    credit_note = serializers.SerializerMethodField()
    currency = serializers.CharField()
    rounding = serializers.ChoiceField(choices=VatRounding.choices)
    items = InvoiceItemSerializer(many=True)
    net = AmountField()
    tax = AmountField()
    amount = AmountField()
    due_date = serializers.DateField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.UUIDField(allow_null=True)
    issued_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    voided_at = serializers.DateTimeField(allow_null=True)
    credited_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_credit_note(self, invoice: Any) -> str | None:
        return credit_note_of(invoice)


def credit_note_of(invoice: Any) -> str | None:
    """The id of the credit note that took this invoice back."""
    # The other end of a one-to-one relation raises instead of being None.
    note = getattr(invoice, "credit_note", None)
    return str(note.id) if note else None


class InvoiceVendorSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class InvoiceItemV2Serializer(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    description = serializers.CharField()
    quantity = ExactDecimalField(digits=QUANTITY)
    unit_price = MoneyField(currency="invoice.currency", places=UNIT_PRICE.places)
    tax_rate = ExactDecimalField(digits=TAX_RATE)
    net = MoneyField(currency="invoice.currency")
    tax = MoneyField(currency="invoice.currency")


class InvoiceTotalsSerializer(serializers.Serializer[Any]):
    net = MoneyField()
    tax = MoneyField()
    gross = MoneyField(source="amount")


class InvoiceV2Serializer(serializers.Serializer[Any]):
    """Amounts with their currency, the sums together, the vendor itself instead of its id."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=InvoiceKind.choices)
    status = serializers.ChoiceField(choices=InvoiceStatus.choices)
    reference = serializers.CharField(allow_null=True)
    vendor = InvoiceVendorSerializer()
    original = serializers.UUIDField(source="original_id", allow_null=True)
    credit_note = serializers.SerializerMethodField()
    currency = serializers.CharField()
    rounding = serializers.ChoiceField(choices=VatRounding.choices)
    items = InvoiceItemV2Serializer(many=True)
    totals = InvoiceTotalsSerializer(source="*")
    due_date = serializers.DateField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.UUIDField(allow_null=True)
    updated_at = serializers.DateTimeField()
    issued_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    voided_at = serializers.DateTimeField(allow_null=True)
    credited_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_credit_note(self, invoice: Any) -> str | None:
        return credit_note_of(invoice)


class InvoiceGroupSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=InvoiceStatus.choices)
    month = serializers.RegexField(
        r"^\d{4}-\d{2}$", allow_null=True, help_text="Of the issue, in UTC; drafts have none."
    )
    count = serializers.IntegerField()
    net = AmountField()
    tax = AmountField()
    amount = AmountField()


class InvoiceGroupTotalsSerializer(serializers.Serializer[Any]):
    net = MoneyField()
    tax = MoneyField()
    gross = MoneyField(source="amount")


class InvoiceGroupV2Serializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=InvoiceStatus.choices)
    month = serializers.RegexField(
        r"^\d{4}-\d{2}$", allow_null=True, help_text="Of the issue, in UTC; drafts have none."
    )
    count = serializers.IntegerField()
    totals = InvoiceGroupTotalsSerializer(source="*")


class InvoiceSummarySerializer(serializers.Serializer[Any]):
    groups = InvoiceGroupSerializer(many=True)


class InvoiceSummaryV2Serializer(serializers.Serializer[Any]):
    groups = InvoiceGroupV2Serializer(many=True)


class InvoiceItemInput(InputSerializer):
    description = TextField(max_length=500)
    quantity = ExactDecimalField(digits=QUANTITY, above=Decimal(0))
    unit_price = ExactDecimalField(digits=UNIT_PRICE, minimum=Decimal(0))
    tax_rate = ExactDecimalField(digits=TAX_RATE, minimum=Decimal(0), maximum=Decimal(1))

    def to_internal_value(self, data: Any) -> Line:
        return Line(**super().to_internal_value(data))


class InvoiceCreateInput(InputSerializer):
    vendor = serializers.UUIDField(source="vendor_id")
    currency = CurrencyField(required=False)
    rounding = serializers.ChoiceField(choices=VatRounding.choices, required=False)
    due_date = serializers.DateField(required=False)
    items: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=InvoiceItemInput(), max_length=MOST_ITEMS, default=list
    )


class InvoiceChangeInput(InvoiceCreateInput):
    vendor = serializers.UUIDField(source="vendor_id", required=False)
    items: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=InvoiceItemInput(), max_length=MOST_ITEMS, required=False
    )


class InvoiceStepInput(InputSerializer):
    """Issuing, paying, voiding and crediting take no arguments."""


class PolicySerializer(serializers.Serializer[Any]):
    vat_rounding = serializers.ChoiceField(choices=VatRounding.choices)
    default_currency = serializers.CharField()
    payment_terms_days = serializers.IntegerField()


class PolicyChangeInput(InputSerializer):
    vat_rounding = serializers.ChoiceField(choices=VatRounding.choices, required=False)
    default_currency = CurrencyField(required=False)
    payment_terms_days = serializers.IntegerField(min_value=0, max_value=3650, required=False)
