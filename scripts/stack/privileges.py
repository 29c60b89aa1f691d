"""Run a child as an ordinary user when we are root, because PostgreSQL refuses to run as root.

The clone or the state directory may lie below a directory that only root may enter (/root, or
mktemp -d). Opening other people's directories is not ours to do. Instead the child keeps one
capability through its exec, as an ambient one: CAP_DAC_READ_SEARCH, to enter and read any
directory. Where root lacks that one (containers usually do), CAP_DAC_OVERRIDE does the same and
also allows writing. Neither lets PostgreSQL's own check for root fail.
"""

import os
import pwd
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.stack import linux
from scripts.stack.errors import StackError

_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2


@dataclass(frozen=True)
class Identity:
    """Who a child runs as."""

    user_id: int
    group_id: int
    capability: int | None = None

    def assume(self) -> None:
        """Become this user for good; to be called between fork and exec."""
        if self.capability is not None:
            # Keeps the capabilities through setuid(), and lets access() count them: PostgreSQL
            # looks for its own programs with access(), which otherwise ignores capabilities.
            linux.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
        os.setgroups([self.group_id])
        os.setgid(self.group_id)
        os.setuid(self.user_id)
        if self.capability is not None:
            linux.capset_only(self.capability)
            linux.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, self.capability)

    def own(self, path: Path) -> None:
        """Give a file or directory that we made to this user."""
        os.chown(path, self.user_id, self.group_id, follow_symlinks=False)


def unprivileged_identity(*, must_reach: Sequence[Path]) -> Identity | None:
    """Somebody other than root who can reach these paths; None when we are not root.

    Raises:
        StackError: no such user, or the paths stay out of reach.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise StackError(
            "PostgreSQL does not run as root and this machine has no user 'nobody'; "
            "start as an ordinary user"
        ) from None
    plain = Identity(user_id=entry.pw_uid, group_id=entry.pw_gid)
    candidates = [plain]
    if sys.platform == "linux":
        candidates += [
            replace(plain, capability=_CAP_DAC_READ_SEARCH),
            replace(plain, capability=_CAP_DAC_OVERRIDE),
        ]
    for identity in candidates:
        if _reaches(identity, must_reach):
            return identity
    raise StackError(
        f"PostgreSQL runs as user 'nobody' here, who cannot reach {_blocked(plain, must_reach)}; "
        "set FREEHOLD_STATE_DIR to a directory that others may enter, with the clone in another"
        " such directory, or start as an ordinary user"
    )


def _reaches(identity: Identity, paths: Sequence[Path]) -> bool:
    # Tried in a child rather than computed from modes: access lists and policies count, too.
    pid = os.fork()
    if pid == 0:
        try:
            identity.assume()
            for path in paths:
                os.stat(path)
                if path.is_file() and not os.access(path, os.R_OK | os.X_OK):
                    os._exit(1)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _blocked(identity: Identity, paths: Sequence[Path]) -> Path:
    return next(path for path in paths if not _reaches(identity, [path]))
