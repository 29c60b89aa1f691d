"""How many requests this process has refused, for metrics."""

import threading
from collections import Counter

from shared_apps.core.rate_limits.rates import RateClass

_lock = threading.Lock()
_refused: Counter[tuple[str, RateClass]] = Counter()


def note(*, limit: str, rate_class: RateClass) -> None:
    with _lock:
        _refused[limit, rate_class] += 1


def counts() -> dict[tuple[str, RateClass], int]:
    """Since the process began, by limit (`person`, `address`, …) and class."""
    with _lock:
        return dict(_refused)
