"""The two tenants under examination and what belongs to each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from shared_apps.core.context import TenantIdentity

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody with every right in one tenant: what even they cannot reach, nobody can."""

    id: UUID
    email: str
    password: str


@dataclass
class Subject:
    """A tenant with marker rows."""

    identity: TenantIdentity
    host: str
    marker: str
    """A text that is in this tenant's rows and nowhere else."""
    administrator: Administrator
    ids: dict[str, list[UUID]] = field(default_factory=dict)
    """Table → keys of this tenant's rows, in its schema and in shared tables."""

    @property
    def slug(self) -> str:
        return self.identity.slug

    def all_ids(self) -> Iterator[UUID]:
        for ids in self.ids.values():
            yield from ids

    def owns(self, content: str) -> bool:
        """Whether any marker or key of this tenant is in `content`."""
        return self.found_in(content) is not None

    def found_in(self, content: str) -> str | None:
        """The first marker or key of this tenant that is in `content`."""
        if self.marker in content:
            return self.marker
        known = {id_.hex for id_ in self.all_ids()}
        for match in _UUID.finditer(content):
            if match[0].replace("-", "") in known:
                return match[0]
        return None


@dataclass(frozen=True, slots=True)
class Pair:
    a: Subject
    b: Subject

    def directions(self) -> list[tuple[Subject, Subject]]:
        """(who asks, whose things must not be had), both ways."""
        return [(self.a, self.b), (self.b, self.a)]
