"""All people of a directory that speaks LDAP, page by page."""

from collections.abc import Iterator, Sequence

from shared_apps.authn.backends.ldap import filters, groups
from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.faults import DirectoryFault
from shared_apps.authn.backends.ldap.messages import Entry
from shared_apps.authn.backends.ldap.options import Options
from shared_apps.authn.backends.ldap.wire import Limit

_MOST_PEOPLE = 1_000_000
# Of a page of people, or of groups with all their members.
_LISTED = Limit(seconds=60, message_octets=16 << 20, octets=64 << 20, entries=_MOST_PEOPLE)


def everybody(
    link: Link, options: Options, attributes: Sequence[str]
) -> Iterator[tuple[Entry, frozenset[str]]]:
    """Each with the groups that they are in."""
    held = link.search_paged(
        options.group_base_dn,
        filters.present(options.group_attribute),
        (options.group_attribute,),
        limit=_LISTED,
    )
    groups_of = groups.closure(held, attribute=options.group_attribute)
    for entry in link.search_paged(options.base_dn, options.user_filter, attributes, limit=_LISTED):
        yield entry, groups_of[entry.dn.lower()]


def anybody(link: Link, options: Options, attributes: Sequence[str], *, seconds: float) -> Entry:
    """Raises DirectoryFault: nobody is found."""
    # By a page of one: not every directory heeds a limit.
    limit = Limit(seconds=seconds)
    pages = link.search_paged(options.base_dn, options.user_filter, attributes, limit=limit, page=1)
    found = next(pages, None)
    if found is None:
        raise DirectoryFault(f"{link.name}: nobody is found below {options.base_dn!r}")
    return found
