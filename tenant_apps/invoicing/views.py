"""Vendors, invoices and the invoicing policy over HTTP."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT
from rest_framework.views import APIView

from shared_apps.accounts.choices import Permission
from tenant_apps.invoicing import selectors, serializers
from tenant_apps.invoicing.models import Invoice
from tenant_apps.invoicing.services import drafts, lifecycle, policy, vendors


class VendorListView(GenericAPIView[Any]):
    @extend_schema(
        parameters=[serializers.VendorQuery], responses=serializers.VendorSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        found = selectors.list_vendors(**_query(serializers.VendorQuery, request))
        page = self.paginate_queryset(found)
        return self.get_paginated_response(serializers.VendorSerializer(page, many=True).data)

    @extend_schema(
        request=serializers.VendorCreateInput, responses={201: serializers.VendorSerializer}
    )
    def post(self, request: Request) -> Response:
        body = _body(serializers.VendorCreateInput, request)
        vendor = vendors.create_vendor(**body, created_by=_person(request))
        return Response(serializers.VendorSerializer(vendor).data, status=HTTP_201_CREATED)


class VendorView(APIView):
    @extend_schema(responses=serializers.VendorSerializer)
    def get(self, request: Request, vendor_id: UUID) -> Response:
        vendor = selectors.get_vendor(vendor_id=vendor_id)
        return Response(serializers.VendorSerializer(vendor).data)

    @extend_schema(request=serializers.VendorChangeInput, responses=serializers.VendorSerializer)
    def patch(self, request: Request, vendor_id: UUID) -> Response:
        body = _body(serializers.VendorChangeInput, request)
        vendor = vendors.change_vendor(vendor_id=vendor_id, **body)
        return Response(serializers.VendorSerializer(vendor).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, vendor_id: UUID) -> Response:
        vendors.delete_vendor(vendor_id=vendor_id)
        return Response(status=HTTP_204_NO_CONTENT)


class InvoiceListView(GenericAPIView[Any]):
    @extend_schema(
        parameters=[serializers.InvoiceQuery], responses=serializers.InvoiceSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        found = selectors.list_invoices(**_query(serializers.InvoiceQuery, request))
        page = self.paginate_queryset(found)
        return self.get_paginated_response(serializers.InvoiceSerializer(page, many=True).data)

    @extend_schema(
        request=serializers.InvoiceCreateInput, responses={201: serializers.InvoiceSerializer}
    )
    def post(self, request: Request) -> Response:
        body = _body(serializers.InvoiceCreateInput, request)
        invoice = drafts.create_invoice(**body, created_by=_person(request))
        return _invoice(invoice, status=HTTP_201_CREATED)


class InvoiceView(APIView):
    @extend_schema(responses=serializers.InvoiceSerializer)
    def get(self, request: Request, invoice_id: UUID) -> Response:
        return _invoice(selectors.get_invoice(invoice_id=invoice_id))

    @extend_schema(request=serializers.InvoiceChangeInput, responses=serializers.InvoiceSerializer)
    def patch(self, request: Request, invoice_id: UUID) -> Response:
        body = _body(serializers.InvoiceChangeInput, request)
        return _invoice(drafts.change_invoice(invoice_id=invoice_id, **body))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, invoice_id: UUID) -> Response:
        drafts.delete_invoice(invoice_id=invoice_id)
        return Response(status=HTTP_204_NO_CONTENT)


class InvoiceIssueView(APIView):
    @extend_schema(request=serializers.InvoiceStepInput, responses=serializers.InvoiceSerializer)
    def post(self, request: Request, invoice_id: UUID) -> Response:
        _body(serializers.InvoiceStepInput, request)
        return _invoice(lifecycle.issue_invoice(invoice_id=invoice_id, issued_at=timezone.now()))


class InvoicePayView(APIView):
    @extend_schema(request=serializers.InvoiceStepInput, responses=serializers.InvoiceSerializer)
    def post(self, request: Request, invoice_id: UUID) -> Response:
        _body(serializers.InvoiceStepInput, request)
        return _invoice(lifecycle.pay_invoice(invoice_id=invoice_id, paid_at=timezone.now()))


class InvoiceVoidView(APIView):
    @extend_schema(request=serializers.InvoiceStepInput, responses=serializers.InvoiceSerializer)
    def post(self, request: Request, invoice_id: UUID) -> Response:
        _body(serializers.InvoiceStepInput, request)
        return _invoice(lifecycle.void_invoice(invoice_id=invoice_id, voided_at=timezone.now()))


class InvoiceCreditNoteView(APIView):
    @extend_schema(
        request=serializers.InvoiceStepInput, responses={201: serializers.InvoiceSerializer}
    )
    def post(self, request: Request, invoice_id: UUID) -> Response:
        _body(serializers.InvoiceStepInput, request)
        note = lifecycle.credit_invoice(
            invoice_id=invoice_id, created_by=_person(request), issued_at=timezone.now()
        )
        return _invoice(note, status=HTTP_201_CREATED)


class PolicyView(APIView):
    required_permissions: ClassVar[Mapping[str, Permission]] = {"PATCH": Permission.ADMIN}

    @extend_schema(responses=serializers.PolicySerializer)
    def get(self, request: Request) -> Response:
        return Response(serializers.PolicySerializer(selectors.get_policy()).data)

    @extend_schema(request=serializers.PolicyChangeInput, responses=serializers.PolicySerializer)
    def patch(self, request: Request) -> Response:
        body = _body(serializers.PolicyChangeInput, request)
        return Response(serializers.PolicySerializer(policy.change_policy(**body)).data)


def _body(shape: type[BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """Raises ValidationError, field by field."""
    sent = shape(data=request.data)
    sent.is_valid(raise_exception=True)
    return dict(sent.validated_data)


def _query(shape: type[BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """What is asked for in the query string; a parameter left blank, as forms send it, is not asked for."""
    asked = shape(data={name: value for name, value in request.query_params.items() if value})
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _person(request: Request) -> UUID:
    person: UUID | None = request.user.pk
    assert person is not None  # the permission class lets nobody in who has not signed in
    return person


def _invoice(invoice: Invoice, *, status: int = 200) -> Response:
    return Response(serializers.InvoiceSerializer(invoice).data, status=status)
