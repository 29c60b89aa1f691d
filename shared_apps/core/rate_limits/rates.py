"""How many requests there may be in a minute, by whom and of what."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Final, Self

SECONDS: Final = 60


class RateClass(StrEnum):
    """What a request is to the limits: `rate_class` of its view says so, else its method."""

    READ = "read"
    WRITE = "write"
    EXPORT = "export"
    """Makes a file of much."""
    INGEST = "ingest"
    """Takes in much at a time."""
    LOGIN = "login"
    """Asks for a sign-in or what leads to one: counted by address, whatever it shows."""
    UNLIMITED = "unlimited"
    """Costs next to nothing: a file of our own pages."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests in a minute."""

    tenant: int
    """Of all who are signed in at one tenant."""
    person: int
    """Of one of them, of whatever class."""
    write: int
    """Of these at most so many that write,"""
    export: int
    ingest: int
    address: int
    """Of one address without a sign-in, at all tenants together."""
    login: int
    """Of these at most so many sign-ins."""

    def with_plan(self, plan: Mapping[str, int], *, tenant: int | None) -> Self:
        """What the plan says instead, and for the whole tenant what it has for itself."""
        changed = dict(plan) if tenant is None else {**plan, "tenant": tenant}
        return replace(self, **changed) if changed else self


OF_THE_INSTALLATION: Final = frozenset({"address", "login"})
"""Who comes without a sign-in has no plan."""
OF_A_PLAN: Final = frozenset(field.name for field in fields(Rates)) - OF_THE_INSTALLATION
