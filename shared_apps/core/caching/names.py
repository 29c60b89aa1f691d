"""Names of what is kept: whose, of which tier and entity, for which question, for which permissions."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

from shared_apps.core import redis_keys
from shared_apps.core.caching import values
from shared_apps.core.caching.entities import Entity
from shared_apps.core.caching.tiers import Tier

_USE = "results"


@dataclass(frozen=True, slots=True)
class Standing:
    """Names of what is known of an entity's rows in one context."""

    version: str
    writers: str


@dataclass(frozen=True, slots=True)
class Name:
    entry: str
    lock: str
    standing: Standing


def standing_of(entity: Entity) -> Standing:
    """In the present context. Raises TenantContextRequired."""
    beginning = redis_keys.scoped(_USE)
    return Standing(f"{beginning}version:{entity.name}", f"{beginning}writers:{entity.name}")


def name_of(
    entity: Entity, *, tier: Tier, filters: Mapping[str, object], permissions: Collection[str]
) -> Name:
    """Raises TenantContextRequired; TypeError: a filter's value is nothing that has one form."""
    own = f"{entity.name}:{digest(canonical(filters))}:{digest(sorted(set(map(str, permissions))))}"
    beginning = redis_keys.scoped(_USE)
    return Name(
        entry=f"{beginning}{tier.label}:{own}",
        lock=f"{beginning}lock:{tier.label}:{own}",
        standing=standing_of(entity),
    )


def pattern_of(tier: Tier, *, space: str) -> str:
    """All entries of a tier in a space (core/spaces.py), for SCAN."""
    return f"{redis_keys.installation(_USE)}:{space}:{tier.label}:*"


def canonical(filters: Mapping[str, object]) -> dict[str, object]:
    """The same for everything that asks for the same: whatever the order, without what is left blank."""
    return {
        name: _canonical_value(filters[name])
        for name in sorted(filters)
        if not _is_blank(filters[name])
    }


def digest(value: object) -> str:
    return hashlib.blake2b(values.dump(value), digest_size=16).hexdigest()


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str | list | tuple | set | frozenset) and not value)


def _canonical_value(value: object) -> object:
    """Equal only where the database would find the same: texts stay as they are."""
    match value:
        case Enum():
            return _canonical_value(value.value)
        case Decimal():
            return Decimal(_shortest(format(value, "f")))
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC)
        case Mapping():
            return canonical(value)
        case list() | tuple():
            return [_canonical_value(item) for item in value]
        case set() | frozenset():
            return [
                "any of",
                *(
                    text.decode()
                    for text in sorted(values.dump(_canonical_value(v)) for v in value)
                ),
            ]
        case _:
            return value


def _shortest(number: str) -> str:
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return "0" if number in ("-0", "") else number
