"""People whom entries name by id, for those who read them. Asked in the operator's context."""

import unicodedata
from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth import get_user_model

from shared_apps.audit.selectors import Entry
from shared_apps.core import context

NO_PERSON = "unknown person"
"""Stands for an address that leads to nobody: no entry has it, and the trail does not keep the address."""


def author_of(text: str) -> str:
    """Whom somebody who asks for an author means: a person by address or id, or `system:<what>`."""
    if "@" not in text:
        return str(UUID(text)) if _is_uuid(text) else text
    email = unicodedata.normalize("NFKC", text).strip().lower()
    with context.operator():
        person = get_user_model().objects.filter(email=email, erased_at=None).first()
    return str(person.pk) if person else NO_PERSON


def emails_of(entries: Iterable[Entry]) -> dict[str, str]:
    """Person's id → address, of the authors who were not erased."""
    authors = {entry.modified_by for entry in entries if entry.modified_by}
    with context.operator():
        known = get_user_model().objects.filter(
            pk__in={author for author in authors if _is_uuid(author)}, erased_at=None
        )
        return {str(person): email for person, email in known.values_list("pk", "email")}


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
