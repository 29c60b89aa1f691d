"""What has changed in a domain since somebody last looked.

Each controller numbers the changes that reach it; a number says nothing at another one, nor after a restore. Where
the numbers cannot tell all, everybody is listed: a change too few would leave somebody in who is gone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared_apps.authn.backends.ad import groups
from shared_apps.authn.backends.ad.passwords import number
from shared_apps.authn.backends.ad.values import guid_text
from shared_apps.authn.backends.directory import DirectoryPerson
from shared_apps.authn.backends.ldap import filters
from shared_apps.authn.backends.ldap.adapter import Code, Control, Entry, Link, Scope
from shared_apps.authn.backends.ldap.faults import ServerFault

_SHOW_DELETED = Control("1.2.840.113556.1.4.417", is_critical=True)
_ANYTHING = filters.present("objectClass")
# A controller forgets what was deleted after 60 days at the earliest.
_OLDEST = timedelta(days=30)
_MANY = 500
_AT_ONCE = 50


@dataclass(frozen=True)
class Changes:
    people: tuple[DirectoryPerson, ...]
    gone: frozenset[str]
    """External ids of whoever was deleted or moved out of what is looked at; some were never in it."""
    is_complete: bool
    """`people` are all that there are: whoever is not among them is gone."""
    position: str
    """What to give as `since` the next time; opaque."""


@dataclass(frozen=True)
class _Position:
    controller: str
    number: int
    at: datetime

    def __str__(self) -> str:
        return f"{self.controller}/{self.number}/{self.at.isoformat()}"

    @classmethod
    def parse(cls, text: str) -> "_Position | None":
        try:
            controller, number, at = text.split("/")
            return cls(controller, int(number), datetime.fromisoformat(at))
        except ValueError:
            return None


@dataclass(frozen=True)
class Looked:
    """What is looked at, and how its entries are read."""

    base_dn: str
    user_filter: bytes
    attributes: Sequence[str]
    """Those of `groups.GROUP_ATTRIBUTES` among them."""
    person: Callable[[Entry, frozenset[str]], DirectoryPerson]


def list_changes(link: Link, looked: Looked, *, since: str | None, at: datetime) -> Changes:
    """Raises ServerFault: also half-way, and nothing is known then."""
    # First, so that what changes meanwhile comes again the next time instead of never.
    now = _now(link, at=at)
    root = groups.domain_root(looked.base_dn)
    before = _Position.parse(since) if since else None
    changed = _changed(link, root=root, before=before, now=now)
    if changed is None:
        everybody = tuple(list_people(link, looked))
        return Changes(everybody, frozenset(), is_complete=True, position=str(now))
    if not changed:
        return Changes((), frozenset(), is_complete=False, position=str(now))
    held = groups.Groups.read(link, root)
    there = tuple(
        looked.person(entry, held.of(entry)) for entry in _still_there(link, looked, ids=changed)
    )
    gone = {guid_text(identity) for identity in changed} - {person.external_id for person in there}
    return Changes(there, frozenset(gone), is_complete=False, position=str(now))


def list_people(link: Link, looked: Looked) -> Iterator[DirectoryPerson]:
    held = groups.Groups.read(link, groups.domain_root(looked.base_dn))
    for entry in link.search_paged(
        looked.base_dn, looked.user_filter, looked.attributes, limit=groups.LISTING
    ):
        yield looked.person(entry, held.of(entry))


def _now(link: Link, *, at: datetime) -> _Position:
    wanted = ("dsServiceName", "highestCommittedUSN")
    (top,) = groups.read(link, "", _ANYTHING, wanted, Scope.BASE) or (None,)
    service = top.text("dsServiceName") if top else ""
    highest = number(top.attributes, "highestCommittedUSN") if top else None
    found = groups.read(link, service, _ANYTHING, ("invocationId",), Scope.BASE) if service else []
    if not found or highest is None or len(found[0].octets("invocationId")) != 16:
        raise ServerFault(f"{link.name} does not say which domain controller it is")
    return _Position(guid_text(found[0].octets("invocationId")), highest, at)


def _changed(
    link: Link, *, root: str, before: _Position | None, now: _Position
) -> tuple[bytes, ...] | None:
    """The ids of whoever has changed; None where only a whole listing tells."""
    if (
        before is None
        or before.controller != now.controller
        or before.number > now.number
        or not timedelta() <= now.at - before.at <= _OLDEST
        or not _sees_deleted(link, root=root)
    ):
        return None
    person = filters.any_of(
        filters.equals("objectCategory", "person"), filters.equals("isDeleted", "TRUE")
    )
    relevant = filters.any_of(
        filters.equals("objectClass", "group"),
        filters.all_of(filters.equals("objectClass", "user"), person),
    )
    newer = filters.parse(f"(uSNChanged>={before.number + 1})")
    ids: list[bytes] = []
    for entry in link.search_paged(
        root, filters.all_of(newer, relevant), ("objectGUID", "objectClass"), _SHOW_DELETED,
        limit=groups.LISTING,
    ):  # fmt: skip
        # Whom a group has lost, it does not say.
        if "group" in (name.lower() for name in entry.texts("objectClass")) or len(ids) >= _MANY:
            return None
        ids.append(entry.octets("objectGUID"))
    return tuple(identity for identity in ids if len(identity) == 16)


def _sees_deleted(link: Link, *, root: str) -> bool:
    """An ordinary account does not, unless it was given the right to."""
    container = f"CN=Deleted Objects,{root}"
    found, answer = link.search(
        container, _ANYTHING, ("objectGUID",), _SHOW_DELETED, scope=Scope.BASE
    )
    # Without the right it may still show, but not what is in it.
    return answer.code == Code.SUCCESS and bool(found and found[0].octets("objectGUID"))


def _still_there(link: Link, looked: Looked, *, ids: tuple[bytes, ...]) -> list[Entry]:
    entries = []
    for start in range(0, len(ids), _AT_ONCE):
        named = (filters.equals_octets("objectGUID", i) for i in ids[start : start + _AT_ONCE])
        wanted = filters.all_of(looked.user_filter, filters.any_of(*named))
        # Nobody may look gone because a search failed.
        entries += groups.read(link, looked.base_dn, wanted, looked.attributes, Scope.SUBTREE)
    return entries
