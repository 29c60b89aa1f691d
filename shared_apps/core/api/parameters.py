"""What a list may be asked for: a parameter that nothing knows would show something else than was meant."""

from collections.abc import Collection
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request


def require_known(request: Request, view: Any, *, also: Collection[str]) -> None:
    """Refuse names that neither `also`, nor the view's filters, nor its `query_parameters` hold.

    A view whose `query_parameters` is None looks at them itself.

    Raises:
        ValidationError: it names each; also one that is given twice, unless its filter takes several.
    """
    asked = request.query_params
    if not asked:
        return
    own: Collection[str] | None = getattr(view, "query_parameters", ())
    if own is None:
        return
    known = {*also, *own}
    several: set[str] = set()
    for backend in getattr(view, "filter_backends", ()):
        known.update(backend().parameter_names(view))
        several.update(backend().repeatable_names(view))
    wrong = {name: ["Unknown parameter."] for name in sorted(set(asked) - known)}
    for name, values in asked.lists():
        if len(values) > 1 and name not in several and name not in wrong:
            wrong[name] = ["Given more than once."]
    if wrong:
        raise ValidationError(wrong)


def given(request: Request, name: str) -> str | None:
    """A parameter's value; one left blank, as forms send it, is not asked for."""
    return request.query_params.get(name) or None
