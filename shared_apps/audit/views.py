"""The audit trail of the tenant that asks. For its administrators.

Whoever reads it leaves an entry in it: what cannot be recorded is not shown.
"""

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.audit import explorer, people, selectors, serializers, services
from shared_apps.audit.choices import Access
from shared_apps.core import context


class AuditView(APIView):
    required_permissions: ClassVar[dict[str, str]] = {"GET": "admin"}

    def record(self, resource: str, query: dict[str, str], rows: int) -> None:
        services.record_access(
            access=Access.AUDIT,
            resource=resource,
            shown={context.require_tenant().id: rows},
            query=query,
        )


class EntryListView(AuditView):
    """Newest first. `next` leads to older entries, `previous` to newer ones."""

    @extend_schema(parameters=[serializers.EntryQuery], responses=serializers.EntryPageSerializer)
    def get(self, request: Request) -> Response:
        tenant = context.require_tenant()
        asked = serializers.parse(serializers.EntryQuery, request.query_params)
        page = explorer.find_entries(tenants=[tenant.id], asked=asked)
        query = explorer.as_recorded(request.query_params, page)
        self.record("entries", query, len(page.entries))
        return Response(
            {
                "next": explorer.link(request, page.older),
                "previous": explorer.link(request, page.newer),
                "results": _rendered(page.entries, tenant),
            }
        )


class EntryView(AuditView):
    @extend_schema(responses=serializers.EntrySerializer)
    def get(self, request: Request, entry_id: UUID) -> Response:
        tenant = context.require_tenant()
        entry = selectors.get_entry(tenants=[tenant.id], uid=entry_id)
        self.record("entry", {"id": str(entry.uid)}, 1)
        return Response(_rendered([entry], tenant)[0])


class RecordView(AuditView):
    """One record's values, and its history newest first; with `?at=` as of that moment, inclusive."""

    @extend_schema(parameters=[serializers.RecordQuery], responses=serializers.RecordSerializer)
    def get(self, request: Request, entity: str, record_id: str) -> Response:
        tenant = context.require_tenant()
        asked = serializers.parse(serializers.RecordQuery, request.query_params)
        # A slash at the end is the address's, not the record's.
        record = explorer.find_record(
            tenant_id=tenant.id,
            entity_type=entity,
            record_id=record_id.removesuffix("/"),
            asked=asked,
        )
        query = explorer.as_recorded(request.query_params, record.history) | {
            "entity_type": record.entity_type,
            "record_id": record.record_id,
        }
        self.record("record", query, len(record.history.entries))
        history = _rendered(record.history.entries, tenant)
        at = asked.get("at") or timezone.now()
        return Response(explorer.record_as_json(request, record, history=history, at=at))


def _rendered(
    entries: list[selectors.Entry], tenant: context.TenantIdentity
) -> list[dict[str, Any]]:
    emails = people.emails_of(entries)
    return [serializers.as_json(entry, tenant=tenant.slug, emails=emails) for entry in entries]
