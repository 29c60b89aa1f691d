"""The two system calls that Python does not offer."""

import ctypes
import os

# Bound at import, before any fork: the dynamic loader is not safe between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True)
_prctl = getattr(_libc, "prctl", None)  # absent on other systems
_capset = getattr(_libc, "capset", None)
if _prctl is not None:
    _prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

_CAPABILITY_VERSION_3 = 0x20080522


def prctl(option: int, first: int = 0, second: int = 0) -> None:
    assert _prctl is not None, "Linux only"
    _check(_prctl(option, first, second, 0, 0))


def capset_only(capability: int) -> None:
    """Make one capability effective, permitted and inheritable, and no other."""
    assert _capset is not None, "Linux only"
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Two sets of (effective, permitted, inheritable), for capabilities 0-31 and 32-63.
    _check(_capset(header, (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)))


def _check(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
