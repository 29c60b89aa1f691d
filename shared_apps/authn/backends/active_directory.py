"""Active Directory, whose answers to a bind say more than those of other directories, in a language of their own."""

import itertools
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import NoReturn

from shared_apps.authn.backends.ad import changes, groups, passwords, refusals
from shared_apps.authn.backends.ad.values import guid_octets, guid_text, moment, quoted_password
from shared_apps.authn.backends.base import PasswordInfo
from shared_apps.authn.backends.directory import Changes, DirectoryPerson, canonical_group
from shared_apps.authn.backends.ldap import filters
from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.directory import LdapBackend
from shared_apps.authn.backends.ldap.faults import DirectoryFault
from shared_apps.authn.backends.ldap.messages import Answer, Change, Code, Entry, Scope
from shared_apps.authn.backends.ldap.standing import Standing
from shared_apps.authn.backends.ldap.wire import Limit
from shared_apps.authn.errors import PasswordChangeNotSupportedError, PolicyViolationError

logger = logging.getLogger(__name__)

_DISABLED = 0x2
_LISTING_SECONDS = 3600.0
_ANYTHING = filters.present("objectClass")


class ActiveDirectoryBackend(LdapBackend):
    """Asks for no more than an ordinary account of the domain may read."""

    name = "active_directory"
    defaults = {
        "user_filter": "(&(objectCategory=person)(objectClass=user))",
        "username_attribute": "sAMAccountName",
        "email_attribute": "mail",
        "name_attribute": "displayName",
        "group_attribute": "member",
    }
    id_attribute = "objectGUID"
    changes_as_service = True
    state_attributes = (
        "userAccountControl", "accountExpires", *groups.GROUP_ATTRIBUTES, *passwords.ATTRIBUTES,
    )  # fmt: skip

    @contextmanager
    def list_changes(self, *, since: Collection[str], at: datetime) -> Iterator[Changes]:
        with self._answering(), self._as_service(seconds=_LISTING_SECONDS) as (_, service):
            yield changes.list_changes(service, self._looked(), since=since, at=at)

    def find_by_username(self, link: Link, username: str) -> Entry | None:
        """By account name, principal name or DOMAIN\\name, all of which are one person's."""
        domain, backslash, account = username.rpartition("\\")
        if not backslash:
            return self.find_entry(link, self.username_filter(username))
        if not account or not groups.is_domain(link, base_dn=self.options.base_dn, named=domain):
            return None
        return self.find_entry(link, filters.equals(self.options.username_attribute, account))

    def username_filter(self, username: str) -> bytes:
        return filters.any_of(
            filters.equals(self.options.username_attribute, username),
            filters.equals("userPrincipalName", username),
        )

    def find_entry(self, link: Link, search_filter: bytes) -> Entry | None:
        # By a page of two: not every controller heeds the size limit.
        wanted = filters.all_of(self.options.user_filter, search_filter)
        limit = Limit(seconds=self.servers.connecting.seconds)
        found = list(
            islice(
                link.search_paged(
                    self.options.base_dn, wanted, self._attributes(), limit=limit, page=2
                ),
                2,
            )
        )
        if len(found) > 1:
            tenant_id = self.configuration.tenant_id
            logger.warning("several people in the directory of tenant %s fit one name", tenant_id)
        return found[0] if len(found) == 1 else None

    def standing(self, answer: Answer) -> Standing:
        if answer.code == Code.SUCCESS:
            return Standing.PROVEN
        if answer.code == Code.INVALID_CREDENTIALS:
            return refusals.of_bind(answer.diagnostic)
        raise DirectoryFault(f"a person's bind: {answer}")

    def canonical_id(self, value: bytes) -> str:
        try:
            return guid_text(value)
        except ValueError:
            raise DirectoryFault("a person has no objectGUID") from None

    def id_filter(self, external_id: str) -> bytes | None:
        octets = guid_octets(external_id)
        return filters.equals_octets(self.id_attribute, octets) if octets else None

    def is_active(self, entry: Entry) -> bool:
        control = passwords.number(entry.attributes, "userAccountControl") or 0
        expires_at = moment(passwords.number(entry.attributes, "accountExpires") or 0)
        return not control & _DISABLED and (expires_at is None or expires_at > datetime.now(UTC))

    def groups_of(self, link: Link, entry: Entry) -> frozenset[str]:
        return groups.nested_groups(link, root=self._root(), dn=entry.dn)

    def password_info(self, link: Link, entry: Entry, at: datetime) -> PasswordInfo:
        return passwords.password_info(
            entry.attributes, policy=self._policy(link, entry), source=self.name, at=at
        )

    def set_password(self, link: Link, entry: Entry, old: str, new: str) -> Answer:
        # Whose password has expired cannot bind, and yet may change it: the old one is what counts, not who sends it.
        self._bind_as_service(link)
        return link.modify(
            entry.dn,
            (
                (Change.DELETE, "unicodePwd", quoted_password(old)),
                (Change.ADD, "unicodePwd", quoted_password(new)),
            ),
        )

    def refuse_change(self, answer: Answer) -> NoReturn:
        refusal = refusals.of_change(answer.diagnostic)
        if refusal is not None:
            raise refusal
        if answer.code == Code.INSUFFICIENT_ACCESS:  # "User cannot change password"
            raise PasswordChangeNotSupportedError
        if answer.code == Code.CONSTRAINT_VIOLATION:
            raise PolicyViolationError(reason=["The domain's rules do not allow it."])
        raise DirectoryFault(f"a change of password: {answer}")

    def _policy(self, link: Link, entry: Entry) -> passwords.Policy:
        fine_grained = entry.text("msDS-ResultantPSO")
        if not fine_grained:
            (domain,) = groups.read(
                link, self._root(), _ANYTHING, passwords.POLICY_ATTRIBUTES, Scope.BASE
            )
            return passwords.Policy.of_domain(domain.attributes)
        # That an ordinary account may not read it, shows as one that is not there.
        found, _ = link.search(
            fine_grained, _ANYTHING, passwords.FINE_GRAINED_ATTRIBUTES, scope=Scope.BASE
        )
        return passwords.Policy.fine_grained(found[0].attributes if found else {})

    def listed(self, link: Link) -> Iterator[DirectoryPerson]:
        return changes.list_people(link, self._looked())

    def _looked(self) -> changes.Looked:
        mapped: Mapping[str, Sequence[str]] = self.configuration.options.get("role_groups", {})
        return changes.Looked(
            base_dn=self.options.base_dn,
            user_filter=self.options.user_filter,
            attributes=self._attributes(),
            role_groups=frozenset(map(canonical_group, itertools.chain(*mapped.values()))),
            person=self.person,
        )

    def _root(self) -> str:
        return groups.domain_root(self.options.base_dn)
