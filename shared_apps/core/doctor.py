"""What can be wrong with an installation, and what to do about it.

An app adds a check by registering a function in its `ready()`:

    doctor.register("audit backlog", find_backlog)

It returns findings, or nothing; `manage.py doctor` runs them all.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared_apps.core.errors import explain

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. `remedy` is a command, a statement or a sentence for the operator."""

    subject: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem} → {self.remedy}"


Check = Callable[[], Iterable[Finding]]

_checks: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Add a check; it runs in the operator's context and raises nothing it expects."""
    _checks[name] = check


def examine() -> dict[str, list[Finding]]:
    """Check → what it found. One that fails itself is a finding: what it looks after is not known."""
    found: dict[str, list[Finding]] = {}
    for name, check in _checks.items():
        try:
            found[name] = list(check())
        except Exception as error:
            logger.debug("The check %s failed", name, exc_info=True)
            reason = explain(error)
            found[name] = [
                Finding(name, f"could not be examined: {reason}", "make it reachable, ask again")
            ]
    return found
