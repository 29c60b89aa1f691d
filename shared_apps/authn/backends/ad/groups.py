"""The groups of a domain that people are in, also through others; and the names of the domain."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared_apps.authn.backends.ad.passwords import number
from shared_apps.authn.backends.ldap import filters
from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.faults import ServerFault
from shared_apps.authn.backends.ldap.messages import Code, Entry, Scope
from shared_apps.authn.backends.ldap.wire import Limit

# Of a person, to tell their groups without asking for each.
GROUP_ATTRIBUTES = ("objectSid", "primaryGroupID", "memberOf")
_SECURITY_GROUP = "2147483648"
_BITS_SET = "1.2.840.113556.1.4.803"
_SIDS_AT_ONCE = 50
# Distribution lists give nobody a role: as a rule their owners are not the domain's administrators.
_GROUPS = filters.all_of(
    filters.equals("objectClass", "group"), filters.matches("groupType", _BITS_SET, _SECURITY_GROUP)
)
_ANYTHING = filters.present("objectClass")
LISTING = Limit(seconds=30.0, octets=32 << 20, entries=200_000)


@dataclass(frozen=True)
class Groups:
    """All groups of the domain, to tell those of many people from what each person's entry says."""

    above: Mapping[str, tuple[str, ...]]
    """Those that a group is a direct member of; both in lower case."""
    by_sid: Mapping[bytes, str] = field(repr=False)

    @classmethod
    def read(cls, link: Link, root: str) -> "Groups":
        found = list(link.search_paged(root, _GROUPS, ("objectSid", "memberOf"), limit=LISTING))
        return cls(
            above={entry.dn.lower(): tuple(_lower(entry.texts("memberOf"))) for entry in found},
            by_sid={entry.octets("objectSid"): entry.dn.lower() for entry in found},
        )

    def of(self, person: Entry) -> frozenset[str]:
        primary = self.by_sid.get(_primary_group_sid(person))
        waiting = [*_lower(person.texts("memberOf")), *([primary] if primary else [])]
        reached: set[str] = set()
        while waiting:
            group = waiting.pop()
            if group in self.above and group not in reached:
                reached.add(group)
                waiting.extend(self.above[group])
        return frozenset(reached)

    def leading_to(self, named: Collection[str]) -> frozenset[str]:
        """These groups, and all whose members are in one of them, also through others."""
        below: dict[str, list[str]] = {}
        for group, above in self.above.items():
            for one in above:
                below.setdefault(one, []).append(group)
        waiting, reached = list(named), set[str]()
        while waiting:
            group = waiting.pop()
            if group not in reached:
                reached.add(group)
                waiting.extend(below.get(group, ()))
        return frozenset(reached)


def domain_root(base_dn: str) -> str:
    """The domain that a DN is in: its trailing `DC=` parts."""
    parts = [part.strip() for part in base_dn.split(",")]
    while parts and not parts[0].lower().startswith("dc="):
        parts.pop(0)
    return ",".join(parts)


def domain_name(base_dn: str) -> str:
    return ".".join(part.strip()[3:] for part in domain_root(base_dn).split(","))


def nested_groups(link: Link, *, root: str, dn: str) -> frozenset[str]:
    """As the controller itself counts them for an access token, the primary group included."""
    entries = read(link, dn, _ANYTHING, ("tokenGroups",), Scope.BASE)
    sids = entries[0].attributes.get("tokengroups", ()) if entries else ()
    groups: set[str] = set()
    for start in range(0, len(sids), _SIDS_AT_ONCE):
        named = (filters.equals_octets("objectSid", s) for s in sids[start : start + _SIDS_AT_ONCE])
        found = read(link, root, filters.any_of(*named), ("objectSid",), Scope.SUBTREE)
        groups.update(entry.dn.lower() for entry in found)
    return frozenset(groups)


def is_domain(link: Link, *, base_dn: str, named: str) -> bool:
    """By its name in DNS or its short one, which only the forest's configuration knows."""
    if named.lower() == domain_name(base_dn).lower():
        return True
    tops = read(link, "", _ANYTHING, ("configurationNamingContext",), Scope.BASE)
    configuration = tops[0].text("configurationNamingContext") if tops else ""
    if not configuration:
        return False
    domain = filters.all_of(
        filters.equals("objectClass", "crossRef"),
        filters.equals("nCName", domain_root(base_dn)),
        filters.equals("nETBIOSName", named),
    )
    return bool(read(link, f"CN=Partitions,{configuration}", domain, ("nETBIOSName",), Scope.LEVEL))


def read(
    link: Link, base: str, search_filter: bytes, attributes: Sequence[str], scope: Scope
) -> list[Entry]:
    """Raises ServerFault: not all of it was found, and a part would be wrong rights."""
    entries, answer = link.search(base, search_filter, attributes, scope=scope)
    if answer.code != Code.SUCCESS:
        raise ServerFault(f"{link.name}: search below {base!r}: {answer}")
    return entries


def _primary_group_sid(person: Entry) -> bytes:
    """The domain's part of one's own id, and the number of the group in it."""
    group = number(person.attributes, "primaryGroupID") or 0
    is_number = 0 < group < 2**32
    return person.octets("objectSid")[:-4] + group.to_bytes(4, "little") if is_number else b""


def _lower(texts: Iterable[str]) -> Iterator[str]:
    return (text.lower() for text in texts)
