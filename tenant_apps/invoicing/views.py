"""Vendors, invoices and the invoicing policy over HTTP."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT
from rest_framework.views import APIView

from shared_apps.accounts.choices import Permission
from shared_apps.core.api import remembered
from shared_apps.core.api.filters import DeclaredFilters
from shared_apps.core.api.viewsets import ServiceViewSet
from shared_apps.core.caching import Tier
from tenant_apps.invoicing import selectors, serializers
from tenant_apps.invoicing.filters import InvoiceFilter
from tenant_apps.invoicing.models import Invoice, Vendor
from tenant_apps.invoicing.services import drafts, lifecycle, policy, vendors


class VendorViewSet(ListModelMixin, RetrieveModelMixin, ServiceViewSet[Vendor]):
    serializer_classes = {
        "v1": serializers.VendorSerializer,
        "v2": serializers.VendorV2Serializer,
    }
    input_classes = {
        "create": serializers.VendorCreateInput,
        "partial_update": serializers.VendorChangeInput,
    }
    search_fields = ("name", "vat_id", "email")
    ordering_fields = ("name", "created_at")
    lookup_url_kwarg = "vendor_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Vendor]:
        return selectors.list_vendors()

    def get_object(self) -> Vendor:
        return selectors.get_vendor(vendor_id=self.kwargs["vendor_id"])

    def create(self, request: Request) -> Response:
        vendor = vendors.create_vendor(**self.body(), created_by=_person(request))
        return self.show(vendor)

    def partial_update(self, request: Request, vendor_id: UUID) -> Response:
        body = self.body()
        return self.show(vendors.change_vendor(vendor_id=vendor_id, expected=self.expected, **body))

    def destroy(self, request: Request, vendor_id: UUID) -> Response:
        vendors.delete_vendor(vendor_id=vendor_id, expected=self.expected)
        return Response(status=HTTP_204_NO_CONTENT)


class InvoiceViewSet(ListModelMixin, RetrieveModelMixin, ServiceViewSet[Invoice]):
    serializer_classes = {
        "v1": serializers.InvoiceSerializer,
        "v2": serializers.InvoiceV2Serializer,
    }
    input_classes = {
        "create": serializers.InvoiceCreateInput,
        "partial_update": serializers.InvoiceChangeInput,
        "issue": serializers.InvoiceStepInput,
        "pay": serializers.InvoiceStepInput,
        "void": serializers.InvoiceStepInput,
        "credit_note": serializers.InvoiceStepInput,
    }
    filterset_class = InvoiceFilter
    ordering_fields = ("created_at", "issued_at", "due_date", "number", "amount")
    # A number counts within its year.
    ordering_columns = {"number": ("year", "number")}
    lookup_url_kwarg = "invoice_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Invoice]:
        return selectors.list_invoices()

    def get_object(self) -> Invoice:
        return selectors.get_invoice(invoice_id=self.kwargs["invoice_id"])

    def create(self, request: Request) -> Response:
        invoice = drafts.create_invoice(**self.body(), created_by=_person(request))
        return self.show(invoice)

    def partial_update(self, request: Request, invoice_id: UUID) -> Response:
        body = self.body()
        return self.show(
            drafts.change_invoice(invoice_id=invoice_id, expected=self.expected, **body)
        )

    def destroy(self, request: Request, invoice_id: UUID) -> Response:
        drafts.delete_invoice(invoice_id=invoice_id, expected=self.expected)
        return Response(status=HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"])
    def issue(self, request: Request, invoice_id: UUID) -> Response:
        self.body()
        invoice = lifecycle.issue_invoice(
            invoice_id=invoice_id, issued_at=timezone.now(), expected=self.expected
        )
        return self.show(invoice)

    @action(detail=True, methods=["post"])
    def pay(self, request: Request, invoice_id: UUID) -> Response:
        self.body()
        invoice = lifecycle.pay_invoice(
            invoice_id=invoice_id, paid_at=timezone.now(), expected=self.expected
        )
        return self.show(invoice)

    @action(detail=True, methods=["post"])
    def void(self, request: Request, invoice_id: UUID) -> Response:
        self.body()
        invoice = lifecycle.void_invoice(
            invoice_id=invoice_id, voided_at=timezone.now(), expected=self.expected
        )
        return self.show(invoice)

    @action(
        detail=True,
        methods=["post"],
        url_path="credit-note",
        url_name="credit-note",
        success_status=HTTP_201_CREATED,
    )
    def credit_note(self, request: Request, invoice_id: UUID) -> Response:
        self.body()
        note = lifecycle.credit_invoice(
            invoice_id=invoice_id,
            created_by=_person(request),
            issued_at=timezone.now(),
            expected=self.expected,
        )
        return self.show(note)

    @extend_schema(parameters=[remembered.X_CACHE])
    @action(
        detail=False,
        filter_backends=(DeclaredFilters,),
        is_filtered=True,
        serializer_classes={
            "v1": serializers.InvoiceSummarySerializer,
            "v2": serializers.InvoiceSummaryV2Serializer,
        },
    )
    def summary(self, request: Request) -> Response:
        """Numbers and sums of the invoices that the filters choose, by currency, status and month of issue."""
        chosen = remembered.choose(self, selectors.list_invoices())
        found = remembered.remember(
            request,
            selectors.SUMMARY,
            tier=Tier.RESULTS,
            filters=chosen.filters,
            compute=lambda: [asdict(one) for one in selectors.summarize_invoices(chosen.rows)],
        )
        groups = [selectors.InvoiceGroup(**group) for group in found.value]
        shown = self.get_serializer({"groups": groups})
        return Response(shown.data, headers={remembered.HEADER: found.state})


class PolicyView(APIView):
    required_permissions: ClassVar[Mapping[str, Permission]] = {"PATCH": Permission.ADMIN}

    @extend_schema(responses=serializers.PolicySerializer)
    def get(self, request: Request) -> Response:
        return Response(serializers.PolicySerializer(selectors.get_policy()).data)

    @extend_schema(request=serializers.PolicyChangeInput, responses=serializers.PolicySerializer)
    def patch(self, request: Request) -> Response:
        sent = serializers.PolicyChangeInput(data=request.data)
        sent.is_valid(raise_exception=True)
        changed: dict[str, Any] = dict(sent.validated_data)
        return Response(serializers.PolicySerializer(policy.change_policy(**changed)).data)


def _person(request: Request) -> UUID:
    person: UUID | None = request.user.pk
    assert person is not None  # the permission class lets nobody in who has not signed in
    return person
