"""One stretch of a chain, from end to end. Imported bare by the processes that share the work."""

from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from shared_apps.audit.chain import links
from shared_apps.audit.chain.links import Link

_T = TypeVar("_T")

MOST = 100
"""Bad entries and holes that are remembered of one stretch; beyond them it is only said that there are more."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Numbers `first` to `last` of a tenant's chain."""

    tenant_id: UUID
    first: int
    last: int
    previous: bytes | None = None
    """The hash that the first follows, where the chain begins; elsewhere the entry before has it."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers that no entry has."""

    first: int
    last: int


@dataclass(slots=True)
class Walked:
    """What was found in a stretch."""

    stretch: Stretch
    entries: int = 0
    tail: Link | None = None
    """The last entry, without its content."""
    unfitting: list[Link] = field(default_factory=list)
    """Entries whose hash is not that of their content and the entry before."""
    holes: list[Hole] = field(default_factory=list)
    has_more: bool = False


def walk(url: str, stretch: Stretch) -> Walked:
    """Follow a stretch in a connection of its own.

    Raises:
        psycopg.Error: the audit database does not answer, or the login may not read.
    """
    found = Walked(stretch)
    previous = stretch.previous
    expected = stretch.first
    tenant = links.tenant_part(stretch.tenant_id)
    last: Link | None = None
    with links.connect(url) as connection:
        # The entry before says how the first is hashed; it is checked with its own stretch.
        start = stretch.first - 1 if stretch.previous is None else stretch.first
        for link in links.read(connection, stretch.tenant_id, first=start, last=stretch.last):
            if link.sequence < stretch.first:
                previous = link.hash
                continue
            if link.sequence < expected:
                _remember(found, found.unfitting, link)  # a number that was there already
                continue
            if link.sequence > expected:
                _remember(found, found.holes, Hole(expected, link.sequence - 1))
                previous = None
            # After a hole nothing says how an entry was hashed.
            if previous is not None and link.hash != links.linked(
                previous, tenant, link.sequence, link.content
            ):
                _remember(found, found.unfitting, link)
            found.entries += 1
            last = link
            previous, expected = link.hash, link.sequence + 1
    if last is not None:
        found.tail = Link(last.sequence, last.hash, b"")
    if expected <= stretch.last:
        _remember(found, found.holes, Hole(expected, stretch.last))
    return found


def _remember(found: Walked, kept: list[_T], what: _T) -> None:
    if len(kept) < MOST:
        kept.append(what)
    else:
        found.has_more = True
