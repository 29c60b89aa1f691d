"""Who is in which groups, through groups in groups."""

from collections.abc import Iterable, Iterator, Mapping

from shared_apps.authn.backends.ldap import filters
from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.faults import ServerFault
from shared_apps.authn.backends.ldap.messages import Code, Entry
from shared_apps.authn.backends.ldap.wire import Limit

_NO_ATTRIBUTES = ("1.1",)
_DEEPEST = 32
_MOST = 5000
_DNS_A_SEARCH = 50


def groups_of(link: Link, *, dn: str, base: str, attribute: str, seconds: float) -> frozenset[str]:
    """The DNs, in lower case, of the groups that hold `dn`, or a group that does; a cycle ends.

    Raises:
        ServerFault: it cannot tell, or there are too many: a part of them would be wrong rights.
    """
    known: set[str] = set()
    level = [dn]
    for _ in range(_DEEPEST):
        found: dict[str, str] = {}
        for some in _in_pieces(level):
            searched = filters.any_of(*(filters.equals(attribute, member) for member in some))
            limit = Limit(seconds=seconds, entries=_MOST)
            entries, answer = link.search(base, searched, _NO_ATTRIBUTES, limit=limit)
            if answer.code != Code.SUCCESS:
                raise ServerFault(f"{link.name}: groups below {base!r}: {answer}")
            found.update((entry.dn.lower(), entry.dn) for entry in entries)
        level = [name for lower, name in found.items() if lower not in known]
        known.update(found)
        if not level:
            return frozenset(known)
        if len(known) > _MOST:
            break
    raise ServerFault(f"{link.name}: more groups in groups below {base!r} than can be right")


def closure(entries: Iterable[Entry], *, attribute: str) -> Mapping[str, frozenset[str]]:
    """All groups of each member, by DN in lower case, of groups that were read as a whole."""
    direct: dict[str, set[str]] = {}
    for entry in entries:
        for member in entry.texts(attribute):
            direct.setdefault(member.lower(), set()).add(entry.dn.lower())
    return _Closure(direct)


class _Closure(dict[str, frozenset[str]]):
    """Worked out for each member when it is asked for: all at once would be members times depth."""

    def __init__(self, direct: Mapping[str, set[str]]) -> None:
        super().__init__()
        self._direct = direct

    def __missing__(self, member: str) -> frozenset[str]:
        known: set[str] = set()
        waiting = [member]
        while waiting:
            for group in self._direct.get(waiting.pop(), ()):
                if group not in known:
                    known.add(group)
                    waiting.append(group)
        return frozenset(known)


def _in_pieces(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _DNS_A_SEARCH):
        yield names[start : start + _DNS_A_SEARCH]
