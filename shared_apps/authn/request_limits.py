"""Counting a request: once, for whoever is behind it as far as that can be told.

Nobody's request uses up what a tenant has: only those of people who are signed in there do.
"""

from uuid import UUID

from django.http import HttpRequest

from shared_apps.core import attribution
from shared_apps.core.rate_limits import admission
from shared_apps.core.rate_limits.errors import RateLimitedError
from shared_apps.core.rate_limits.rates import RateClass
from shared_apps.core.rate_limits.standing import Rule, Standing

_STANDING, _WAITING = "rate_standing", "rate_class_waiting"


def count_person(request: HttpRequest, person_id: UUID, *, rate_class: RateClass) -> None:
    """Raises RateLimitedError."""
    _count(request, admission.rules_of_person(person_id, rate_class=rate_class), rate_class)


def count_address(request: HttpRequest, *, rate_class: RateClass) -> None:
    """Raises RateLimitedError."""
    address = attribution.current().ip
    _count(request, admission.rules_of_address(address, rate_class=rate_class), rate_class)


def count_later(request: HttpRequest, *, rate_class: RateClass) -> None:
    """Only the database knows whose cookie it is: `count_cookie` follows."""
    setattr(request, _WAITING, rate_class)


def count_cookie(request: HttpRequest, person_id: UUID | None) -> None:
    """Of the person whose cookie it was, or nobody's. Raises RateLimitedError."""
    rate_class: RateClass | None = getattr(request, _WAITING, None)
    if rate_class is None:
        return
    setattr(request, _WAITING, None)
    if person_id is None:
        count_address(request, rate_class=rate_class)
    else:
        count_person(request, person_id, rate_class=rate_class)


def standing_of(request: HttpRequest) -> Standing | None:
    """None: it was not counted."""
    return getattr(request, _STANDING, None)


def _count(request: HttpRequest, rules: tuple[Rule, ...], rate_class: RateClass) -> None:
    try:
        standing = admission.admit(rules, rate_class=rate_class)
    except RateLimitedError as error:
        setattr(request, _STANDING, error.standing)
        raise
    setattr(request, _STANDING, standing)
