"""What all directories that speak LDAP have in common: find the one person, then one bind as them."""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, NoReturn

from shared_apps.accounts import selectors as people
from shared_apps.authn import limits
from shared_apps.authn.backends.base import Configuration, PasswordInfo, are_plausible
from shared_apps.authn.backends.directory import DirectoryBackend, DirectoryPerson
from shared_apps.authn.backends.ldap import filters, groups, listing
from shared_apps.authn.backends.ldap.adapter import Link
from shared_apps.authn.backends.ldap.faults import DirectoryFault, ServerFault
from shared_apps.authn.backends.ldap.messages import Answer, Code, Control, Entry
from shared_apps.authn.backends.ldap.options import Options
from shared_apps.authn.backends.ldap.servers import Connecting, Server, Servers
from shared_apps.authn.backends.ldap.standing import DUE, Standing
from shared_apps.authn.backends.ldap.wire import Limit
from shared_apps.authn.errors import (
    AccountLockedError,
    AccountRestrictedError,
    BackendUnavailableError,
    PasswordChangeNotSupportedError,
    PolicyViolationError,
    WrongOldPasswordError,
)

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

logger = logging.getLogger(__name__)

_ANYBODY = "-"
_IMPLAUSIBLE = "It is empty, too long, or holds characters that none may."
_LISTING_SECONDS = 3600.0


class LdapBackend(DirectoryBackend):
    """A kind of directory says what its entries and answers mean."""

    defaults: ClassVar[Mapping[str, str]]
    """Of options that a tenant leaves out."""
    id_attribute: ClassVar[str]
    state_attributes: ClassVar[tuple[str, ...]] = ()
    """Besides those that a DirectoryPerson is made of."""
    bind_controls: ClassVar[tuple[Control, ...]] = ()
    changes_as_service: ClassVar[bool] = False
    """Whether a password that opens nothing any more can be changed all the same, by its old self."""

    def __init__(
        self,
        configuration: Configuration,
        recognise: "Callable[[Configuration, DirectoryPerson], User]",
    ) -> None:
        super().__init__(configuration, recognise)
        with self._answering():
            self.options = Options.of(configuration.options, self.defaults)
            connecting = Connecting.of(configuration.options, configuration.secrets)
            self.servers = Servers(connecting, configuration.tenant_id)

    def prove(self, *, username: str, password: str) -> DirectoryPerson | None:
        with self._answering():
            until = self.servers.until()
            with self.servers.first(until=until) as (server, service):
                self._bind_as_service(service)
                entry = self.find_by_username(service, username)
                if entry is None:
                    return None
                standing = Standing.REFUSED
                with limits.bind(
                    tenant_id=self.configuration.tenant_id,
                    external_id=self.canonical_id(entry.octets(self.id_attribute)),
                ):
                    standing = self.standing(self.bind_as(server, entry, password, until=until))
                    if standing in (Standing.REFUSED, Standing.LOCKED):
                        raise limits.WrongPassword
                if standing in (Standing.REFUSED, Standing.LOCKED):
                    return None
                if standing is Standing.RESTRICTED:
                    raise AccountRestrictedError
                person = self.person(entry, self.groups_of(service, entry))
                if standing is Standing.PROVEN:
                    return person
                raise DUE[standing](person=person)

    def find_person(self, *, external_id: str) -> DirectoryPerson | None:
        with self._answering(), self._as_service() as (_, service):
            entry = self._find_by_id(service, external_id)
            return self.person(entry, self.groups_of(service, entry)) if entry else None

    def list_people(self) -> Iterator[DirectoryPerson]:
        with self._answering(), self._as_service(seconds=_LISTING_SECONDS) as (_, service):
            yield from self.listed(service)

    def check(self) -> Iterator[str]:
        try:
            for server in self.servers.connecting.servers:
                until = self.servers.until()
                link = self.servers.open(server, until=until)
                yield f"{server.name} is reached over TLS, and is who it says."
                try:
                    self._bind_as_service(link)
                    yield f"{self.options.bind_dn or 'Nobody'} may search there."
                    yield self._example(link)
                finally:
                    link.close()
                self.servers.trust_again(server)
        except DirectoryFault as fault:
            raise BackendUnavailableError(str(fault)) from fault

    def get_password_info(self, *, user: "User", at: datetime) -> PasswordInfo:
        with self._answering(), self._as_service() as (_, service):
            return self.password_info(service, self._entry_of(service, user), at)

    def change_password(
        self, *, user: "User", old_password: str, new_password: str, at: datetime
    ) -> bool:
        if not are_plausible(username=_ANYBODY, password=old_password):
            raise WrongOldPasswordError
        if not are_plausible(username=_ANYBODY, password=new_password):
            raise PolicyViolationError(reason=[_IMPLAUSIBLE])
        with self._answering():
            until = self.servers.until()
            with self._as_service() as (server, service):
                entry = self._entry_of(service, user)
                link = self.servers.open(server, until=until)
                try:
                    self._change(link, entry, old_password, new_password)
                finally:
                    link.close()
        return True

    @abstractmethod
    def standing(self, answer: Answer) -> Standing:
        """What the answer to a person's bind says. Raises DirectoryFault: that it cannot be told."""

    @abstractmethod
    def canonical_id(self, value: bytes) -> str:
        """Raises DirectoryFault: it is none."""

    @abstractmethod
    def id_filter(self, external_id: str) -> bytes | None:
        """None: no id of anybody's looks like this."""

    @abstractmethod
    def password_info(self, link: Link, entry: Entry, at: datetime) -> PasswordInfo: ...

    @abstractmethod
    def set_password(self, link: Link, entry: Entry, old: str, new: str) -> Answer:
        """Over a connection that the person has just been proven on by `old`."""

    @abstractmethod
    def refuse_change(self, answer: Answer) -> NoReturn:
        """Say why the new password was not taken."""

    def is_active(self, entry: Entry) -> bool:
        return True

    def find_by_username(self, link: Link, username: str) -> Entry | None:
        """Whose name it is; None too where it is two people's."""
        return self.find_entry(link, self.username_filter(username))

    def username_filter(self, username: str) -> bytes:
        return filters.equals(self.options.username_attribute, username)

    def groups_of(self, link: Link, entry: Entry) -> frozenset[str]:
        return groups.groups_of(
            link,
            dn=entry.dn,
            base=self.options.group_base_dn,
            attribute=self.options.group_attribute,
            seconds=self.servers.connecting.seconds,
        )

    def person(self, entry: Entry, groups: frozenset[str]) -> DirectoryPerson:
        return DirectoryPerson(
            external_id=self.canonical_id(entry.octets(self.id_attribute)),
            username=entry.text(self.options.username_attribute),
            email=entry.text(self.options.email_attribute),
            name=entry.text(self.options.name_attribute),
            groups=groups,
            is_active=self.is_active(entry),
        )

    def find_entry(self, link: Link, search_filter: bytes) -> Entry | None:
        """The one entry below the base that is a person and fits; None if there are two, too."""
        limit = Limit(seconds=self.servers.connecting.seconds, entries=2)
        searched = filters.all_of(self.options.user_filter, search_filter)
        entries, answer = link.search(
            self.options.base_dn, searched, self._attributes(), limit=limit
        )
        if answer.code not in (Code.SUCCESS, Code.SIZE_LIMIT_EXCEEDED):
            raise DirectoryFault(f"{link.name}: search below {self.options.base_dn!r}: {answer}")
        if len(entries) > 1 or answer.code == Code.SIZE_LIMIT_EXCEEDED:
            logger.warning("several people of a directory fit one name; none of them is taken")
            return None
        return entries[0] if entries else None

    def bind_as(self, server: Server, entry: Entry, password: str, *, until: float) -> Answer:
        """The one time that a person's password is sent; on a connection of its own."""
        link = self.servers.open(server, until=until)
        try:
            return link.bind(entry.dn, password, *self.bind_controls)
        finally:
            link.close()

    def _change(self, link: Link, entry: Entry, old: str, new: str) -> None:
        bound = link.bind(entry.dn, old, *self.bind_controls)
        standing = self.standing(bound)
        if standing is Standing.REFUSED:
            raise WrongOldPasswordError
        if standing is Standing.LOCKED:
            raise AccountLockedError
        if standing is Standing.RESTRICTED:
            raise AccountRestrictedError
        if bound.code != Code.SUCCESS and not self.changes_as_service:
            raise PasswordChangeNotSupportedError  # expired, and no grace login is left
        answer = self.set_password(link, entry, old, new)
        if answer.code != Code.SUCCESS:
            self.refuse_change(answer)

    def _bind_as_service(self, link: Link) -> None:
        if not self.options.bind_dn:
            return
        password = self.configuration.secrets.get("bind_password", "")
        answer = link.bind(self.options.bind_dn, password)
        if answer.code in (Code.BUSY, Code.UNAVAILABLE):
            raise ServerFault(f"{link.name}: {answer}")
        if answer.code != Code.SUCCESS:
            raise DirectoryFault(f"{link.name} refuses {self.options.bind_dn!r}: {answer}")

    @contextmanager
    def _as_service(self, *, seconds: float = 0.0) -> Iterator[tuple[Server, Link]]:
        with self.servers.first(until=self.servers.until() + seconds) as (server, service):
            self._bind_as_service(service)
            yield server, service

    def _entry_of(self, link: Link, user: "User") -> Entry:
        identity = people.find_identity(realm=self.configuration.realm, user_id=user.pk)
        entry = self._find_by_id(link, identity.external_id) if identity else None
        if entry is None:
            raise PasswordChangeNotSupportedError
        return entry

    def _find_by_id(self, link: Link, external_id: str) -> Entry | None:
        searched = self.id_filter(external_id)
        return self.find_entry(link, searched) if searched else None

    def listed(self, link: Link) -> Iterator[DirectoryPerson]:
        for entry, held in listing.everybody(link, self.options, self._attributes()):
            yield self.person(entry, held)

    def _example(self, link: Link) -> str:
        seconds = self.servers.connecting.seconds
        found = listing.anybody(link, self.options, self._attributes(), seconds=seconds)
        person = self.person(found, frozenset())
        return f"People are found there; one signs in as {person.username!r}."

    def _attributes(self) -> tuple[str, ...]:
        options = self.options
        return (
            self.id_attribute,
            options.username_attribute,
            options.email_attribute,
            options.name_attribute,
            *self.state_attributes,
        )

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Why there is no answer goes to the log; who signs in is told no more than that."""
        try:
            yield
        except DirectoryFault as fault:
            tenant_id = self.configuration.tenant_id
            logger.warning("the directory of tenant %s cannot tell: %s", tenant_id, fault)
            raise BackendUnavailableError from None
