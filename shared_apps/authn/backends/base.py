"""What every place that knows passwords can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from shared_apps.core.text import has_unusable_characters

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

_LONGEST_USERNAME = 256
_LONGEST_PASSWORD = 1024


@dataclass(frozen=True)
class PasswordInfo:
    """The state of a person's password, in the same words for every backend."""

    source: str
    fetched_at: datetime
    changed_at: datetime | None
    expires_at: datetime | None
    never_expires: bool
    expired: bool
    must_change: bool
    locked: bool
    locked_until: datetime | None
    grace_logins: int | None
    warn_seconds: int | None
    can_change: bool
    min_length: int | None
    history: int | None


@dataclass(frozen=True)
class Configuration:
    """Where and how the people of one tenant prove who they are."""

    tenant_id: UUID
    kind: str
    """The name of the backend."""
    realm: UUID
    """Whom the external ids are unique among: in another realm the same id is somebody else."""
    options: Mapping[str, Any]
    """Valid by the schema of the kind."""
    secrets: Mapping[str, str] = field(repr=False)
    """Opened; never logged, shown or exported."""


class AuthBackend(ABC):
    """A failure of the backend itself is an UnavailableError; no other backend is tried then."""

    name: ClassVar[str]
    is_directory: ClassVar[bool] = False
    """Whether passwords are checked elsewhere, by something that locks accounts of its own accord."""

    @abstractmethod
    def authenticate(self, *, username: str, password: str) -> "User | None":
        """The person whose credentials these are; None when that is not proven."""

    @abstractmethod
    def get_password_info(self, *, user: "User", at: datetime) -> PasswordInfo: ...

    @abstractmethod
    def change_password(
        self, *, user: "User", old_password: str, new_password: str, at: datetime
    ) -> bool:
        """True when it was changed.

        Raises:
            WrongOldPasswordError: `old_password` is not theirs.
            PolicyViolationError: with the reason.
            AccountLockedError, PasswordChangeNotSupportedError: it cannot be changed, here or now.
            BackendUnavailableError: the backend cannot tell.
        """

    def change_password_and(
        self, then: Callable[[], None], *, user: "User", old_password: str, new_password: str, at: datetime
    ) -> None:  # fmt: skip
        """Change it and do `then`: right afterwards, or in the same transaction where the password is
        kept in our own database. Raises what `change_password` does; `then` is not done in that case."""
        self.change_password(user=user, old_password=old_password, new_password=new_password, at=at)
        then()


def are_plausible(*, username: str, password: str) -> bool:
    """Whether credentials may be put before a backend at all.

    An empty password in particular: a directory takes it for an anonymous bind and says yes.
    """
    return (
        1 <= len(username) <= _LONGEST_USERNAME
        and 1 <= len(password) <= _LONGEST_PASSWORD
        and not has_unusable_characters(username)
        and not has_unusable_characters(password)
    )
