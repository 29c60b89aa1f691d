"""Questions that people ask of the trail, of one tenant or of several: a page of the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from rest_framework.request import Request

from shared_apps.audit import cursors, people, selectors
from shared_apps.audit.cursors import Page
from shared_apps.audit.errors import RecordNotFoundError
from shared_apps.audit.selectors import EntryFilter

_PAGING = ("cursor", "page_size")


@dataclass(frozen=True, slots=True)
class Record:
    """One record at a moment, and a page of what led there."""

    entity_type: str
    record_id: str
    values: dict[str, Any] | None
    history: Page


def find_entries(*, tenants: Sequence[UUID], asked: dict[str, Any]) -> Page:
    """`asked`: validated as an EntryQuery.

    Raises:
        CursorError, AuditUnavailableError.
    """
    filters = {name: value for name, value in asked.items() if name not in _PAGING}
    if "modified_by" in filters:
        filters["modified_by"] = people.author_of(filters["modified_by"])
    return _find(tenants, EntryFilter(**filters), asked)


def find_record(
    *, tenant_id: UUID, entity_type: str, record_id: str, asked: dict[str, Any]
) -> Record:
    """`asked`: validated as a RecordQuery.

    Raises:
        RecordNotFoundError, CursorError, AuditUnavailableError.
    """
    if not _can_be_stored(entity_type + record_id):
        raise RecordNotFoundError
    at: datetime | None = asked.get("at")
    values = selectors.get_state(
        tenant_id=tenant_id, entity_type=entity_type, record_id=record_id, at=at
    )
    where = EntryFilter(entity_type=entity_type, record_id=record_id, as_of=at)
    return Record(entity_type, record_id, values, _find([tenant_id], where, asked))


def as_recorded(parameters: QueryDict, shown: Page) -> dict[str, str]:
    """A question as the trail keeps it: no page of the answer, and no address of a person.

    Of an address it keeps the id of whose entries were shown. Where none were, nobody learns whether there
    is such a person at another tenant.
    """
    query = {name: str(value) for name, value in parameters.items() if name not in _PAGING}
    if "@" in query.get("modified_by", ""):
        author = shown.entries[0].modified_by if shown.entries else None
        query["modified_by"] = author or people.NO_PERSON
    return query


def record_as_json(
    request: Request, record: Record, *, history: list[dict[str, Any]], at: datetime
) -> dict[str, Any]:
    """`history`: its entries as the API gives them."""
    return {
        "entity_type": record.entity_type,
        "record_id": record.record_id,
        "at": at.isoformat(),
        "exists": record.values is not None,
        "values": record.values,
        "next": link(request, record.history.older),
        "previous": link(request, record.history.newer),
        "history": history,
    }


def link(request: Request, cursor: str | None) -> str | None:
    """The address of the page there."""
    if cursor is None:
        return None
    kept = {name: value for name, value in request.query_params.items() if name != "cursor"}
    return request.build_absolute_uri(f"{request.path}?{urlencode({**kept, 'cursor': cursor})}")


def _can_be_stored(text: str) -> bool:
    """PostgreSQL's texts are UTF-8 without NUL, so nothing else was ever recorded."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _find(tenants: Sequence[UUID], where: EntryFilter, asked: dict[str, Any]) -> Page:
    cursor, size = cursors.read(asked.get("cursor")), asked["page_size"]
    found = selectors.list_entries_of(
        tenants=tenants,
        where=where,
        before=cursor.before if cursor else None,
        after=cursor.after if cursor else None,
        # One more than asked for tells whether there is another page.
        limit=size + 1,
    )
    return cursors.page(found, size=size, cursor=cursor)
