"""Filter, search and order lists by what their view declares, and by nothing else.

A view says `filterset_fields` or `filterset_class`, `search_fields`, `ordering_fields`, `ordering`. What
it does not say is not offered: its parameter is refused by name (parameters.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError as InvalidValueError
from django.db import models
from django.db.models import QuerySet
from django_filters.filters import BooleanFilter, MultipleChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.request import Request

from shared_apps.core.api.parameters import given
from shared_apps.core.fields import OrderingField, TextField

_SEARCH = TextField(max_length=200)


class _BooleanField(forms.Field):
    widget = forms.TextInput

    def to_python(self, value: Any) -> bool | None:
        known = {"true": True, "false": False, "": None}
        text = str(value or "").lower()
        if text not in known:
            raise InvalidValueError("Send true or false.")
        return known[text]


class ExactBooleanFilter(BooleanFilter):  # type: ignore[misc]  # the package has no types
    """`true` or `false`. The package's own takes anything else for "not asked", and shows everything."""

    field_class = _BooleanField


class FieldFilters(FilterSet):  # type: ignore[misc]  # the package has no types
    """What `filterset_fields` become."""

    FILTER_DEFAULTS = {
        **FilterSet.FILTER_DEFAULTS,
        models.BooleanField: {"filter_class": ExactBooleanFilter},
    }


class DeclaredFilters(DjangoFilterBackend):  # type: ignore[misc]  # the package has no types
    """`?status=…&vendor=…`, as the view's filter set says."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        names = self.parameter_names(view)
        # Making a form for nothing would cost every list a third of a millisecond.
        if not any(given(request, name) for name in names):
            return queryset
        return super().filter_queryset(request, queryset, view)

    def parameter_names(self, view: Any) -> Iterable[str]:
        kind = self.get_filterset_class(view)
        return kind.base_filters if kind else ()

    def repeatable_names(self, view: Any) -> Iterable[str]:
        kind = self.get_filterset_class(view)
        filters: Mapping[str, Any] = kind.base_filters if kind else {}
        return [name for name, one in filters.items() if isinstance(one, MultipleChoiceFilter)]


class DeclaredSearch(SearchFilter):
    """`?search=` words, each of which one of the view's `search_fields` must contain."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        if given(request, self.search_param) is None or not self.parameter_names(view):
            return queryset
        return super().filter_queryset(request, queryset, view)

    def get_search_terms(self, request: Request) -> Any:
        try:
            _SEARCH.run_validation(request.query_params[self.search_param])
        except ValidationError as error:
            raise ValidationError({self.search_param: error.detail}) from None
        return super().get_search_terms(request)

    def parameter_names(self, view: Any) -> Sequence[str]:
        return (self.search_param,) if getattr(view, "search_fields", None) else ()

    def repeatable_names(self, view: Any) -> Sequence[str]:
        return ()

    def get_schema_operation_parameters(self, view: Any) -> Any:
        return super().get_schema_operation_parameters(view) if self.parameter_names(view) else []


class DeclaredOrdering(OrderingFilter):
    """`?ordering=-amount,name` by the view's `ordering_fields`; rows that are equal by their key.

    `ordering_columns` of a view says what a name stands for if that is not the column of this name:
    `{"number": ("year", "number")}`.
    """

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        asked = given(request, self.ordering_param)
        if asked and self.parameter_names(view):
            terms = _columns(self._terms(asked, view), getattr(view, "ordering_columns", {}))
        else:
            terms = list(self.get_default_ordering(view) or _present_ordering(queryset))
        key = queryset.model._meta.pk.name
        # Without it rows that are equal might come on two pages, or on none.
        if not {key, f"-{key}", "pk", "-pk"} & {term for term in terms if isinstance(term, str)}:
            terms.append(key)
        return queryset.order_by(*terms)

    def _terms(self, asked: str, view: Any) -> Sequence[str]:
        try:
            field = OrderingField(names=_names(view))
            return field.run_validation(asked)  # type: ignore[no-any-return]  # several names
        except ValidationError as error:
            raise ValidationError({self.ordering_param: error.detail}) from None

    def parameter_names(self, view: Any) -> Sequence[str]:
        return (self.ordering_param,) if _names(view) else ()

    def repeatable_names(self, view: Any) -> Sequence[str]:
        return ()

    def get_schema_operation_parameters(self, view: Any) -> Any:
        return super().get_schema_operation_parameters(view) if self.parameter_names(view) else []


def _names(view: Any) -> Sequence[str]:
    return getattr(view, "ordering_fields", None) or ()


def _columns(terms: Sequence[str], columns_of: Mapping[str, Sequence[str]]) -> list[Any]:
    columns: list[Any] = []
    for term in terms:
        sign = "-" if term.startswith("-") else ""
        name = term.removeprefix("-")
        columns += [f"{sign}{column}" for column in columns_of.get(name, (name,))]
    return columns


def _present_ordering(queryset: QuerySet[Any]) -> Sequence[Any]:
    return queryset.query.order_by or queryset.model._meta.ordering or ()
