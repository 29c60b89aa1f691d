"""The shape of gathered rows and of the questions about them."""

from typing import Any

from rest_framework import serializers

from shared_apps.audit.serializers import OPERATIONS
from shared_apps.core.fields import AmountField
from shared_apps.tenants.choices import TenantState


class PortfolioQuery(serializers.Serializer[Any]):
    """Filters that every list has. An unknown one is an error: a misspelt filter would show too much."""

    tenant = serializers.CharField(required=False, max_length=40)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a keyword of Python, so it cannot be a class attribute.
        moments = {
            "from": serializers.DateTimeField(required=False, source="since"),
            "to": serializers.DateTimeField(required=False, source="until"),
        }
        return {**super().get_fields(), **moments}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError({name: ["Unknown filter."] for name in unknown})
        return attrs


class PagedQuery(PortfolioQuery):
    """The paginator reads these two itself."""

    page = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        known = super().validate(attrs)
        return {name: value for name, value in known.items() if name not in ("page", "page_size")}


class TenantQuery(PagedQuery):
    state = serializers.ChoiceField(
        required=False, choices=[(state.lower(), state) for state in TenantState]
    )

    def validate_state(self, value: str) -> TenantState:
        return TenantState(value.upper())


class InvoiceQuery(PagedQuery):
    status = serializers.CharField(required=False, max_length=20)


class EntryQuery(PortfolioQuery):
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=500, default=50)
    cursor = serializers.CharField(required=False, max_length=200)
    entity_type = serializers.CharField(required=False, max_length=200)
    record_id = serializers.CharField(required=False, max_length=200)
    operation = serializers.ChoiceField(required=False, choices=OPERATIONS)
    request_id = serializers.CharField(required=False, max_length=128)


class TenantSerializer(serializers.Serializer[Any]):
    tenant = serializers.CharField(source="slug")
    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_state(self, tenant: Any) -> str:
        return str(tenant.state).lower()


class InvoiceSerializer(serializers.Serializer[Any]):
    """Needs `slugs` in its context: tenant's id → name in addresses."""

    tenant = serializers.SerializerMethodField()
    id = serializers.UUIDField(source="invoice_id")
    kind = serializers.CharField()
    status = serializers.CharField()
    year = serializers.IntegerField()
    number = serializers.IntegerField()
    reference = serializers.CharField()
    vendor = serializers.UUIDField(source="vendor_id")
    vendor_name = serializers.CharField()
    currency = serializers.CharField()
    net = AmountField()
    tax = AmountField()
    amount = AmountField()
    due_date = serializers.DateField()
    created_at = serializers.DateTimeField()
    issued_at = serializers.DateTimeField()

    def get_tenant(self, invoice: Any) -> str:
        slugs: dict[Any, str] = self.context["slugs"]
        return slugs[invoice.tenant_id]
