"""Tenants, invoices and audit entries of the tenants that somebody was granted. Public host, read only."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.accounts import selectors as people
from shared_apps.audit import explorer
from shared_apps.audit import people as people_of_trails
from shared_apps.audit import selectors as audit
from shared_apps.audit.choices import Access
from shared_apps.audit.errors import RecordNotFoundError
from shared_apps.audit.serializers import (
    EntryPageSerializer,
    EntrySerializer,
    FilterQuery,
    RecordQuery,
    RecordSerializer,
    as_json,
    parse,
)
from shared_apps.audit.services import record_access
from shared_apps.authn.selectors import SignIn
from shared_apps.core import context
from shared_apps.core.pagination import PagePagination
from shared_apps.portfolio import selectors, serializers
from shared_apps.portfolio.errors import NoGrantError
from shared_apps.portfolio.models import Invoice
from shared_apps.portfolio.permissions import ReadsGrantedTenants
from shared_apps.tenants.database import replica
from shared_apps.tenants.models import Tenant


class PortfolioView(APIView):
    """Whose rows were shown is recorded before they are: what cannot be recorded is not shown."""

    permission_classes = [ReadsGrantedTenants]
    # Each view's own query refuses what it does not know.
    query_parameters = None
    access = Access.PORTFOLIO
    resource: str

    def scope(self, request: Request) -> context.CrossTenantScope:
        """Raises NoGrantError: the last one has just been taken away."""
        scope = people.find_cross_tenant_scope(user_id=_person(request))
        if scope is None:
            raise NoGrantError
        return scope

    def asked(self, request: Request, kind: type[FilterQuery]) -> dict[str, Any]:
        return parse(kind, request.query_params)

    def record(
        self, request: Request, shown: Mapping[UUID, int], *, query: dict[str, str] | None = None
    ) -> None:
        record_access(
            access=self.access,
            resource=self.resource,
            shown=shown,
            query=request.query_params.dict() if query is None else query,
        )


class TenantListView(PortfolioView):
    resource = "tenants"

    @extend_schema(
        parameters=[serializers.TenantQuery], responses=serializers.TenantSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        query = self.asked(request, serializers.TenantQuery)
        slug = query.pop("tenant", None)
        paginator = PagePagination()

        def read(alias: str) -> list[Tenant]:
            tenants = selectors.list_tenants(slug=slug, **query).using(alias)
            return paginator.paginate_queryset(tenants, request, view=self) or []

        with context.cross_tenant(self.scope(request)):
            page = replica.read(read)
        self.record(request, Counter(tenant.id for tenant in page))
        return paginator.get_paginated_response(serializers.TenantSerializer(page, many=True).data)


class InvoiceListView(PortfolioView):
    resource = "invoices"

    @extend_schema(
        parameters=[serializers.InvoiceQuery], responses=serializers.InvoiceSerializer(many=True)
    )
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
        self.record(request, Counter(invoice.tenant_id for invoice in page))
        rendered = serializers.InvoiceSerializer(page, many=True, context={"slugs": slugs})
        return paginator.get_paginated_response(rendered.data)


class AuditView(PortfolioView):
    """The trails of the granted tenants: each is told what of it was read."""

    access = Access.AUDIT

    def slugs(self, request: Request) -> dict[UUID, str]:
        with context.cross_tenant(self.scope(request)):
            return selectors.list_slugs()


class EntryListView(AuditView):
    """Newest first. `next` leads to older entries, `previous` to newer ones."""

    resource = "entries"

    @extend_schema(parameters=[serializers.EntryQuery], responses=EntryPageSerializer)
    def get(self, request: Request) -> Response:
        asked = self.asked(request, serializers.EntryQuery)
        slug, slugs = asked.pop("tenant", None), self.slugs(request)
        named = [] if slug is None else [id for id, known in slugs.items() if known == slug]
        page = explorer.find_entries(tenants=list(slugs) if slug is None else named, asked=asked)
        shown = Counter(entry.tenant_id for entry in page.entries)
        # A tenant that was asked for by name is told also that nothing was found.
        shown.update(dict.fromkeys(named, 0))
        self.record(request, shown, query=explorer.as_recorded(request.query_params, page))
        return Response(
            {
                "next": explorer.link(request, page.older),
                "previous": explorer.link(request, page.newer),
                "results": _rendered(page.entries, slugs),
            }
        )


class EntryView(AuditView):
    resource = "entry"

    @extend_schema(responses=EntrySerializer)
    def get(self, request: Request, entry_id: UUID) -> Response:
        slugs = self.slugs(request)
        entry = audit.get_entry(tenants=list(slugs), uid=entry_id)
        self.record(request, {entry.tenant_id: 1}, query={"id": str(entry.uid)})
        return Response(_rendered([entry], slugs)[0])


class RecordView(AuditView):
    """One record's values, and its history newest first; with `?at=` as of that moment, inclusive."""

    resource = "record"

    @extend_schema(parameters=[RecordQuery], responses=RecordSerializer)
    def get(self, request: Request, tenant: str, entity: str, record_id: str) -> Response:
        asked = self.asked(request, RecordQuery)
        slugs = self.slugs(request)
        tenant_id = next((id for id, slug in slugs.items() if slug == tenant), None)
        if tenant_id is None:
            # One that was not granted is as good as none.
            raise RecordNotFoundError
        record = explorer.find_record(
            tenant_id=tenant_id,
            entity_type=entity,
            record_id=record_id.removesuffix("/"),
            asked=asked,
        )
        named = {"entity_type": record.entity_type, "record_id": record.record_id}
        query = explorer.as_recorded(request.query_params, record.history) | named
        entries = record.history.entries
        self.record(request, {tenant_id: len(entries)}, query=query)
        at = asked.get("at") or timezone.now()
        history = _rendered(entries, slugs)
        return Response(explorer.record_as_json(request, record, history=history, at=at))


def _rendered(entries: list[audit.Entry], slugs: dict[UUID, str]) -> list[dict[str, Any]]:
    emails = people_of_trails.emails_of(entries)
    return [as_json(entry, tenant=slugs[entry.tenant_id], emails=emails) for entry in entries]


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
