"""Wait for what another process does."""

import time
from collections.abc import Callable


def wait_until(happened: Callable[[], bool], what: str, *, timeout: float = 20.0) -> None:
    until = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < until, f"waited {timeout} s in vain: {what}"
        time.sleep(0.05)
