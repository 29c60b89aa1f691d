"""What is counted of an attempt, and what its end makes of it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import redis
from django.conf import settings

from shared_apps.authn.errors import (
    BackendUnavailableError,
    PasswordChangeNotSupportedError,
    PolicyViolationError,
    TooManyAttemptsError,
)
from shared_apps.authn.limits import windows
from shared_apps.authn.limits.names import account_key, address_key
from shared_apps.authn.limits.windows import Full, Taken, Window
from shared_apps.core import redis_keys, spaces
from shared_apps.core.errors import ForbiddenError, UnavailableError

logger = logging.getLogger(__name__)

_MINUTE = 60
_HOUR = 60 * _MINUTE
_KNOWN_FOR = timedelta(days=30)

# Nothing was guessed.
_NOT_JUDGED = (UnavailableError, PasswordChangeNotSupportedError)
# The password was right, and something else was not.
_PROVEN = (ForbiddenError, PolicyViolationError)


class WrongPassword(Exception):
    """What the directory said of a bind."""


@dataclass(frozen=True)
class _Budget:
    """Wrong passwords for one account from everywhere.

    One address may use up half of it and all that never signed in here three quarters, so that
    whoever locks others out by guessing leaves something to an address that nobody uses, and something
    that only the account's own can use.
    """

    most: int
    seconds: int

    @property
    def of_one_address(self) -> int:
        return (self.most + 1) // 2

    @property
    def of_strangers(self) -> int:
        return self.most * 3 // 4


@contextmanager
def attempt(
    *, tenant_id: UUID | None, account: str, address: str | None, is_directory: bool
) -> Iterator[None]:
    """Around the check of a password: an error counts, unless it says that the password was right.

    The place is taken before and given back afterwards, so that attempts that run at the same time
    are counted, too. With a right one, what failed for this account from this address is forgiven.

    Raises:
        TooManyAttemptsError: the password must not be checked.
        BackendUnavailableError: without Redis nobody knows how many there were.
    """
    space = _Space(tenant_id)
    name, origin = account_key(account, is_directory=is_directory), address_key(address)
    known = space.key("known", name, origin)
    budget = _budget(is_directory=is_directory)
    pair = [
        Window(space.key("pair", name, origin), settings.SIGN_IN_FAILURES_PER_MINUTE, _MINUTE),
        Window(space.key("pair-long", name, origin), budget.of_one_address, budget.seconds),
    ]
    whole = Window(space.key("account", name), budget.most, budget.seconds, budget.of_strangers)
    with _closed_without_redis():
        taken = _take([*pair, whole, *_of_address(space, origin)], known=known)
    try:
        yield
    except _NOT_JUDGED:
        _best_effort(lambda: windows.give_back(taken))
        raise
    except _PROVEN:
        _best_effort(lambda: _forgive(taken, own=len(pair), known=known))
        raise
    _best_effort(lambda: _forgive(taken, own=len(pair), known=known))


@contextmanager
def bind(*, tenant_id: UUID, external_id: str) -> Iterator[None]:
    """Around a bind as somebody whom the directory has found: they may have more names than one.

    `WrongPassword` within the block counts, and ends at it; everything else gives the place back.

    Raises:
        TooManyAttemptsError: the directory must not be asked, or it might lock the account.
        BackendUnavailableError: without Redis nobody knows how often it was.
    """
    budget = _budget(is_directory=True)
    space = _Space(tenant_id)
    name = account_key(external_id, is_directory=False)
    with _closed_without_redis():
        taken = _take([Window(space.key("person", name), budget.most, budget.seconds)])
    try:
        yield
    except WrongPassword:
        return
    except BaseException:
        _best_effort(lambda: windows.give_back(taken))
        raise
    _best_effort(lambda: windows.give_back_with_earlier(taken, own=1))


def may_ask(
    mail: str, *, tenant_id: UUID | None, address: str | None, most: int, seconds: int
) -> bool:
    """Whether this address may ask for a mail of that kind once more at this host; it counts.

    Raises:
        BackendUnavailableError: without Redis nobody knows how often it did.
    """
    window = Window(_Space(tenant_id).key(mail, address_key(address)), most, seconds)
    with _closed_without_redis("Requests for mails"):
        return isinstance(windows.take([window]), Taken)


@dataclass(frozen=True)
class _Space:
    tenant_id: UUID | None

    def key(self, kind: str, *parts: str) -> str:
        # As redis_keys.scoped has it: what is a tenant's goes with the tenant.
        return ":".join(
            [redis_keys.installation("limits"), spaces.of(self.tenant_id), kind, *parts]
        )


def _budget(*, is_directory: bool) -> _Budget:
    if is_directory:
        return _Budget(
            settings.DIRECTORY_FAILURES_PER_ACCOUNT, settings.DIRECTORY_FAILURE_MINUTES * _MINUTE
        )
    return _Budget(settings.SIGN_IN_FAILURES_PER_ACCOUNT, _HOUR)


def _of_address(space: _Space, origin: str) -> list[Window]:
    """Whoever tries one password with many names."""
    most = settings.SIGN_IN_FAILURES_PER_ADDRESS
    everywhere = f"{redis_keys.installation('limits-of-addresses')}:{origin}"
    return [
        Window(space.key("address", origin), most, _MINUTE),
        Window(space.key("address-long", origin), most * 10, _HOUR),
        Window(everywhere, most * 2, _MINUTE),
    ]


def _take(asked: list[Window], *, known: str = "") -> Taken:
    found = windows.take(asked, known=known)
    if isinstance(found, Full):
        raise TooManyAttemptsError(retry_after=found.retry_after)
    return found


def _forgive(taken: Taken, *, own: int, known: str) -> None:
    seconds = int(_KNOWN_FOR.total_seconds())
    windows.give_back_with_earlier(taken, own=own, known=known, known_seconds=seconds)


@contextmanager
def _closed_without_redis(what: str = "Sign-ins") -> Iterator[None]:
    try:
        yield
    except redis.RedisError:
        logger.exception("%s are refused: the limiter cannot count", what)
        raise BackendUnavailableError from None


def _best_effort(work: Callable[[], None]) -> None:
    """The answer is known; what is still counted too much makes the limits only narrower."""
    try:
        work()
    except redis.RedisError:
        logger.warning("A place of the sign-in limiter was not given back", exc_info=True)
