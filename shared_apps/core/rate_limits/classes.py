"""What a view's requests are to the limits."""

from collections.abc import Callable
from typing import Any, TypeVar

from shared_apps.core.rate_limits.rates import RateClass

_View = TypeVar("_View", bound=Callable[..., Any])

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def rated(rate_class: RateClass) -> Callable[[_View], _View]:
    """For views that are functions, outermost; classes have an attribute `rate_class`."""

    def decorate(view: _View) -> _View:
        view.rate_class = rate_class  # type: ignore[attr-defined]  # found again by class_of
        return view

    return decorate


def class_of(view: Callable[..., Any], method: str | None) -> RateClass:
    declared: RateClass | None = getattr(view, "rate_class", None) or getattr(
        view_class_of(view), "rate_class", None
    )
    if declared is not None:
        return declared
    return RateClass.READ if method in _READING else RateClass.WRITE


def view_class_of(view: Callable[..., Any]) -> type | None:
    """The class whose `as_view()` the view is: `cls` of the REST framework's, `view_class` of Django's."""
    found: type | None = getattr(view, "cls", None) or getattr(view, "view_class", None)
    return found
