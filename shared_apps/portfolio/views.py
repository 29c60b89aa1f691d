"""Tenants, invoices and audit entries of the tenants that somebody was granted. Public host, read only."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.accounts import selectors as people
from shared_apps.audit import selectors as audit
from shared_apps.audit.serializers import as_json
from shared_apps.authn.selectors import SignIn
from shared_apps.core import context
from shared_apps.core.pagination import PagePagination
from shared_apps.portfolio import cursors, selectors, serializers, services
from shared_apps.portfolio.errors import NoGrantError
from shared_apps.portfolio.models import Invoice
from shared_apps.portfolio.permissions import ReadsGrantedTenants
from shared_apps.tenants.database import replica
from shared_apps.tenants.models import Tenant


class PortfolioView(APIView):
    """Whose rows were shown is recorded before they are: what cannot be recorded is not shown."""

    permission_classes = [ReadsGrantedTenants]
    resource: str

    def scope(self, request: Request) -> context.CrossTenantScope:
        """Raises NoGrantError: the last one has just been taken away."""
        scope = people.find_cross_tenant_scope(user_id=_person(request))
        if scope is None:
            raise NoGrantError
        return scope

    def asked(self, request: Request, kind: type[serializers.PortfolioQuery]) -> dict[str, Any]:
        query = kind(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)

    def record(self, request: Request, shown: Iterable[UUID]) -> None:
        services.record_access(
            user_id=_person(request),
            resource=self.resource,
            shown=Counter(shown),
            query=request.query_params.dict(),
            at=timezone.now(),
        )


class TenantListView(PortfolioView):
    resource = "tenants"

    def get(self, request: Request) -> Response:
        query = self.asked(request, serializers.TenantQuery)
        slug = query.pop("tenant", None)
        paginator = PagePagination()

        def read(alias: str) -> list[Tenant]:
            tenants = selectors.list_tenants(slug=slug, **query).using(alias)
            return paginator.paginate_queryset(tenants, request, view=self) or []

        with context.cross_tenant(self.scope(request)):
            page = replica.read(read)
        self.record(request, (tenant.id for tenant in page))
        return paginator.get_paginated_response(serializers.TenantSerializer(page, many=True).data)


class InvoiceListView(PortfolioView):
    resource = "invoices"

    def get(self, request: Request) -> Response:
        query = self.asked(request, serializers.InvoiceQuery)
        slug = query.pop("tenant", None)
        paginator = PagePagination()

        def read(alias: str) -> tuple[dict[UUID, str], list[Invoice]]:
            slugs = selectors.list_slugs(using=alias)
            found = selectors.list_invoices(tenant_id=_id_of(slug, slugs), **query).using(alias)
            return slugs, paginator.paginate_queryset(found, request, view=self) or []

        with context.cross_tenant(self.scope(request)):
            slugs, page = replica.read(read)
        self.record(request, (invoice.tenant_id for invoice in page))
        rendered = serializers.InvoiceSerializer(page, many=True, context={"slugs": slugs})
        return paginator.get_paginated_response(rendered.data)


class EntryListView(PortfolioView):
    """Newest first; `next` leads to older entries."""

    resource = "audit"

    def get(self, request: Request) -> Response:
        query = self.asked(request, serializers.EntryQuery)
        slug, size = query.pop("tenant", None), query.pop("page_size")
        position = cursors.read(query.pop("cursor", None))
        with context.cross_tenant(self.scope(request)):
            slugs = selectors.list_slugs()
        asked = list(slugs) if slug is None else [_id_of(slug, slugs)]
        # One more than asked for tells whether there is another page.
        entries = audit.list_entries_of(
            tenants=[tenant for tenant in asked if tenant in slugs],
            where=audit.EntryFilter(**query),
            before=position,
            limit=size + 1,
        )
        shown = entries[:size]
        self.record(request, (entry.tenant_id for entry in shown))
        emails = people.list_emails(ids=[entry.modified_by for entry in shown])
        older = cursors.write(shown[-1]) if len(entries) > size else None
        return Response(
            {
                "next": _page(request, older),
                "previous": None,
                "results": [
                    as_json(entry, tenant=slugs[entry.tenant_id], emails=emails) for entry in shown
                ],
            }
        )


def _person(request: Request) -> UUID:
    """Whom `ReadsGrantedTenants` has made sure of."""
    assert isinstance(request.auth, SignIn)
    return request.auth.user.id


_NOBODY = UUID(int=0)


def _id_of(slug: str | None, slugs: dict[UUID, str]) -> UUID | None:
    """A tenant that was not granted is as good as none: nothing is found."""
    if slug is None:
        return None
    return next((id for id, known in slugs.items() if known == slug), _NOBODY)


def _page(request: Request, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    kept = {name: value for name, value in request.query_params.items() if name != "cursor"}
    return request.build_absolute_uri(f"{request.path}?{urlencode({**kept, 'cursor': cursor})}")
