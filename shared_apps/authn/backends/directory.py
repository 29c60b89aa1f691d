"""What a directory knows of people, whatever it speaks."""

import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared_apps.authn.backends.base import AuthBackend, Configuration, are_plausible
from shared_apps.authn.errors import PasswordDueError

if TYPE_CHECKING:
    from shared_apps.accounts.models import User


_AROUND_COMMA = re.compile(r"\s*,\s*")


def canonical_group(group: str) -> str:
    """Of a DN: attribute names and values do not tell cases apart, nor blanks around commas."""
    return _AROUND_COMMA.sub(",", group.strip().lower())


@dataclass(frozen=True)
class DirectoryPerson:
    external_id: str
    """What the directory never changes of a person (entryUUID, objectGUID, orclguid, oid), canonical."""
    username: str
    """By which they sign in; changeable, and never what anybody is recognised by."""
    email: str
    """Empty if there is none. A claim of the directory's."""
    name: str
    groups: frozenset[str]
    """Nested ones too: lower-case DNs, or ids."""
    is_active: bool = True


@dataclass(frozen=True)
class Changes:
    """What is different since somebody looked; or everybody, where the directory cannot tell."""

    people: Iterable[DirectoryPerson]
    """Read while it is gone through. Raises BackendUnavailableError, also half-way."""
    gone: frozenset[str] = frozenset()
    """External ids of whoever was deleted or moved out of what is looked at; some were never in it."""
    is_complete: bool = True
    """`people` are all that there are: whoever is not among them is gone."""
    source: str = ""
    """Which server's position it is; empty where there are no positions."""
    position: str = ""
    """What to give as `since` the next time; opaque."""


class DirectoryBackend(AuthBackend):
    """Proves people by a directory of the tenant's; who they are here, `recognise` knows."""

    is_directory = True

    def __init__(
        self,
        configuration: Configuration,
        recognise: "Callable[[Configuration, DirectoryPerson], User]",
    ) -> None:
        self.configuration = configuration
        self._recognise = recognise

    def authenticate(self, *, username: str, password: str) -> "User | None":
        # Nobody has chosen blanks, and a directory may take them for no password at all.
        if not are_plausible(username=username, password=password) or not password.strip():
            return None
        try:
            person = self.prove(username=username, password=password)
        except PasswordDueError as due:
            if due.person is not None:
                due.user = self._recognise(self.configuration, due.person)
            raise
        return self._recognise(self.configuration, person) if person else None

    @abstractmethod
    def prove(self, *, username: str, password: str) -> DirectoryPerson | None:
        """The one person whose credentials these are, by one bind; None when that is not proven.

        Raises:
            PasswordExpiredError, PasswordChangeRequiredError: it is proven, and a new one comes first;
                with `person`, where it can be changed here.
            AccountRestrictedError, InteractionRequiredError: it is proven, and yet they cannot sign in.
            BackendUnavailableError: the directory cannot tell.
        """

    @abstractmethod
    def find_person(self, *, external_id: str) -> DirectoryPerson | None:
        """As the directory has them now; None when it does not. Raises BackendUnavailableError."""

    @abstractmethod
    def list_people(self) -> Iterator[DirectoryPerson]:
        """All below the base, in pages. Raises BackendUnavailableError, also half-way."""

    @contextmanager
    def list_changes(self, *, since: Collection[str], at: datetime) -> Iterator[Changes]:
        """What is different since one of the positions that earlier calls gave. Gone through within the block.

        Raises:
            BackendUnavailableError: it cannot tell; the earlier positions remain good.
        """
        yield Changes(self.list_people())

    @abstractmethod
    def check(self) -> Iterator[str]:
        """For operators: each step of a connection that worked, in words.

        Raises:
            BackendUnavailableError: a step that did not; the text says why.
        """
