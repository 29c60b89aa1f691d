"""Who was erased, kept so that nobody can read it and an archive of before can be compared with it.

A tombstone holds no address but its HMAC with the installation's SECRET_KEY. Whoever has the database
alone cannot try addresses; whoever has lost the key can no longer tell whom an archive must leave out.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.utils.crypto import salted_hmac

from shared_apps.core import context
from shared_apps.onboarding.models import Erasure

_SALT: Final = "freehold.erasure"
_MARK_LENGTH: Final = 16


def address_hash(email: str, *, key: str | None = None) -> str:
    """Of an address in canonical form."""
    return salted_hmac(
        _SALT, email, secret=key or settings.SECRET_KEY, algorithm="sha256"
    ).hexdigest()


def key_mark(*, key: str | None = None) -> str:
    made = salted_hmac(f"{_SALT}.key", "", secret=key or settings.SECRET_KEY, algorithm="sha256")
    return made.hexdigest()[:_MARK_LENGTH]


def _keys() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def find_erasure(*, email: str) -> Erasure | None:
    """Of whoever had this address: the one that is not finished, or the latest."""
    with context.operator():
        of_address = Erasure.objects.filter(
            address_hash__in=[address_hash(email, key=key) for key in _keys()]
        )
        latest = F("finished_at").desc(nulls_first=True)
        return of_address.order_by(latest, "-started_at").first()


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Who is to be left out of an archive."""

    people: frozenset[UUID]
    """Ids of anonymised accounts."""
    hashes: frozenset[str]
    """Of addresses, by whichever key."""
    unreadable: int
    """Of erasures whose key is not known any more."""

    def cover(self, email: str) -> bool:
        """Whether an address in canonical form was that of somebody who was erased."""
        return any(address_hash(email, key=key) in self.hashes for key in _keys())


def list_tombstones(*, since: datetime) -> Tombstones:
    """Of everybody who was erased after a moment, or is being erased."""
    with context.operator():
        rows = list(
            Erasure.objects.filter(Q(finished_at=None) | Q(finished_at__gte=since)).values_list(
                "user_id", "address_hash", "key_mark"
            )
        )
    marks = {key_mark(key=key) for key in _keys()}
    return Tombstones(
        people=frozenset(user_id for user_id, _, _ in rows if user_id is not None),
        hashes=frozenset(made for _, made, mark in rows if mark in marks),
        unreadable=sum(mark not in marks for _, _, mark in rows),
    )
