"""The audit trail of the tenant that asks. For its administrators."""

from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth import get_user_model
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import DateTimeField
from rest_framework.views import APIView

from shared_apps.audit import selectors, serializers
from shared_apps.audit.errors import FilterError
from shared_apps.core import context


class AuditView(APIView):
    required_permissions: ClassVar[dict[str, str]] = {"GET": "admin"}


class EntryListView(AuditView):
    """Newest first. `next` leads to older entries, `previous` to newer ones."""

    def get(self, request: Request) -> Response:
        tenant = context.require_tenant()
        query = serializers.EntryQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked: dict[str, Any] = dict(query.validated_data)
        before, after, size = (
            asked.pop("before", None),
            asked.pop("after", None),
            asked.pop("page_size"),
        )
        if "@" in asked.get("modified_by", ""):
            asked["modified_by"] = _person_id(asked["modified_by"])
        where = selectors.EntryFilter(**asked)
        # One more than asked for tells whether there is another page.
        entries = selectors.list_entries(
            tenant_id=tenant.id, where=where, before=before, after=after, limit=size + 1
        )
        more = len(entries) > size
        shown = (entries[1:] if after is not None else entries[:size]) if more else entries
        older = shown[-1].sequence if shown and (more or after is not None) else None
        newer = (
            shown[0].sequence
            if shown and (before is not None or (after is not None and more))
            else None
        )
        return Response(
            {
                "next": _page(request, before=older),
                "previous": _page(request, after=newer),
                "results": _rendered(shown, tenant),
            }
        )


class EntryView(AuditView):
    def get(self, request: Request, entry_id: UUID) -> Response:
        tenant = context.require_tenant()
        entry = selectors.get_entry(tenant_id=tenant.id, uid=entry_id)
        return Response(_rendered([entry], tenant)[0])


class RecordView(AuditView):
    """One record's history; with `?at=` its values at that moment."""

    def get(self, request: Request, entity: str, record_id: str) -> Response:
        tenant = context.require_tenant()
        raw = request.query_params.get("at")
        at = _moment(raw) if raw is not None else timezone.now()
        state = selectors.get_state(
            tenant_id=tenant.id, entity_type=entity, record_id=record_id, at=at
        )
        where = selectors.EntryFilter(entity_type=entity, record_id=record_id, until=at)
        history = selectors.list_entries(tenant_id=tenant.id, where=where, limit=500)
        return Response(
            {
                "entity_type": entity,
                "record_id": record_id,
                "at": at.isoformat(),
                "exists": state is not None,
                "values": state,
                "history": _rendered(history, tenant),
            }
        )


def _rendered(
    entries: list[selectors.Entry], tenant: context.TenantIdentity
) -> list[dict[str, Any]]:
    authors = {entry.modified_by for entry in entries if entry.modified_by}
    people = {author for author in authors if _is_uuid(author)}
    with context.operator():
        known = get_user_model().objects.filter(pk__in=people, erased_at=None)
        emails = dict(known.values_list("pk", "email"))
    by_text = {str(person): email for person, email in emails.items()}
    return [serializers.as_json(entry, tenant=tenant.slug, emails=by_text) for entry in entries]


def _person_id(email: str) -> str:
    """The id behind an address; for an unknown one something that no entry has."""
    with context.operator():
        person = get_user_model().objects.filter(email=email.strip().lower()).first()
    return str(person.pk) if person else "unknown person"


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _moment(raw: str) -> Any:
    try:
        return DateTimeField().run_validation(raw)
    except ValidationError as error:
        raise FilterError(at=["This is not a date and time."]) from error


def _page(request: Request, **position: int | None) -> str | None:
    if None in position.values():
        return None
    kept = {k: v for k, v in request.query_params.items() if k not in ("before", "after")}
    return request.build_absolute_uri(f"{request.path}?{urlencode(kept | position)}")
