"""What has changed in a domain since somebody last looked.

Each controller numbers the changes that reach it; a number says nothing at another one, nor after a restore. Where
the numbers cannot tell all, everybody is listed: a change too few would leave somebody in who is gone.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared_apps.authn.backends.ad import groups
from shared_apps.authn.backends.ad.passwords import number
from shared_apps.authn.backends.ad.values import file_time, guid_text
from shared_apps.authn.backends.directory import Changes, DirectoryPerson
from shared_apps.authn.backends.ldap import filters
from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.faults import ServerFault
from shared_apps.authn.backends.ldap.messages import Code, Control, Entry, Scope

_SHOW_DELETED = Control("1.2.840.113556.1.4.417", is_critical=True)
_ANYTHING = filters.present("objectClass")
# A controller forgets what was deleted after 60 days at the earliest.
_OLDEST = timedelta(days=30)
_MANY = 500
# Two looks may be told by clocks that do not agree.
_CLOCKS = timedelta(days=1)
_AT_ONCE = 50


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
    role_groups: frozenset[str]
    """Lower-case DNs of the groups that give a role."""
    person: Callable[[Entry, frozenset[str]], DirectoryPerson]


def list_changes(link: Link, looked: Looked, *, since: Collection[str], at: datetime) -> Changes:
    """Raises ServerFault: also half-way, and nothing is known then."""
    # First, so that what changes meanwhile comes again the next time instead of never.
    now = _now(link, at=at)
    source, position = now.controller, str(now)
    root = groups.domain_root(looked.base_dn)
    held = groups.Groups.read(link, root)
    changed = _changed(link, looked, held, before=_before(since, now), now=now)
    if changed is None:
        return Changes(_everybody(link, looked, held), source=source, position=position)
    there = tuple(
        looked.person(entry, held.of(entry)) for entry in _still_there(link, looked, ids=changed)
    )
    gone = {guid_text(identity) for identity in changed} - {person.external_id for person in there}
    return Changes(
        there, frozenset(gone), is_complete=False, source=source, position=position
    )  # fmt: skip


def list_people(link: Link, looked: Looked) -> Iterator[DirectoryPerson]:
    return _everybody(
        link, looked, groups.Groups.read(link, groups.domain_root(looked.base_dn))
    )  # fmt: skip


def _everybody(link: Link, looked: Looked, held: groups.Groups) -> Iterator[DirectoryPerson]:
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


def _before(since: Collection[str], now: _Position) -> _Position | None:
    """The latest position at the controller that answers, if it still says something."""
    told = [found for text in since if (found := _Position.parse(text))]
    good = [
        one
        for one in told
        if one.controller == now.controller
        and one.number <= now.number
        and timedelta() <= now.at - one.at <= _OLDEST
    ]
    return max(good, key=lambda one: one.number, default=None)


def _changed(
    link: Link, looked: Looked, held: groups.Groups, *, before: _Position | None, now: _Position
) -> tuple[bytes, ...] | None:
    """The ids of whoever has changed; None where only a whole listing tells."""
    root = groups.domain_root(looked.base_dn)
    if before is None or not _sees_deleted(link, root=root):
        return None
    if not looked.role_groups <= held.above.keys():
        # One was renamed, deleted or is no security group any more: whom it gave a role is not told.
        return None
    giving = held.leading_to(looked.role_groups)
    ids: set[bytes] = set()
    for entry in link.search_paged(
        root, _different(before, now), ("objectGUID", "objectClass", "memberOf", "isDeleted"),
        _SHOW_DELETED, limit=groups.LISTING,
    ):  # fmt: skip
        if "group" in (name.lower() for name in entry.texts("objectClass")):
            # Whom a group has lost, it does not say.
            if looked.role_groups and _gives_role(entry, giving):
                return None
            continue
        ids.add(entry.octets("objectGUID"))
        if len(ids) > _MANY:
            return None
    return tuple(identity for identity in ids if len(identity) == 16)


def _gives_role(group: Entry, giving: frozenset[str]) -> bool:
    """Whether what changed of it may have changed somebody's role.

    A way from a group to a role that is there no more ended at a group that changed itself; but one that was
    deleted, or is a distribution list now, is not seen among those that lead to a role.
    """
    above = {name.lower() for name in group.texts("memberOf")}
    return bool(group.text("isDeleted")) or group.dn.lower() in giving or bool(above & giving)


def _different(before: _Position, now: _Position) -> bytes:
    """Who has changed, and whose account has ended meanwhile, which no number tells."""
    person = filters.any_of(
        filters.equals("objectCategory", "person"), filters.equals("isDeleted", "TRUE")
    )
    user = filters.all_of(filters.equals("objectClass", "user"), person)
    ended_after, ended_until = file_time(before.at - _CLOCKS), file_time(now.at + _CLOCKS)
    return filters.any_of(
        filters.all_of(
            filters.parse(f"(uSNChanged>={before.number + 1})"),
            filters.any_of(filters.equals("objectClass", "group"), user),
        ),
        filters.all_of(
            user,
            filters.parse(f"(accountExpires>={ended_after})"),
            filters.parse(f"(accountExpires<={ended_until})"),
        ),
    )


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
