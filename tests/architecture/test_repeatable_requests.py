"""Every write of the tenants' API is one transaction and takes a key, but for those named here; none stores a secret."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from django.urls import URLPattern, URLResolver
from rest_framework import serializers
from rest_framework.views import APIView

from shared_apps.core.execution import UNSAFE_METHODS, Execution, execution_of
from shared_apps.core.fields import OpaqueField
from tenant_apps.idempotency.executing import OnceMixin

# By hand: what is not carried out as everything else, with the reason beside its view.
DIFFERENT = {
    "LoginView": Execution.PLAIN,
    "RefreshView": Execution.PLAIN,
    "LogoutView": Execution.PLAIN,
    "TokenView": Execution.PLAIN,
    "RegistrationView": Execution.PLAIN,
    "RegistrationConfirmView": Execution.PLAIN,
    "PasswordChangeView": Execution.PLAIN,
    "PasswordResetView": Execution.PLAIN,
    "PasswordResetConfirmView": Execution.PLAIN,
    "ApplyView": Execution.PLAIN,
    "UserListView": Execution.ATOMIC,
}


def _views(patterns: list[Any]) -> Iterator[type[APIView]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and (view := getattr(pattern.callback, "cls", None)):
            yield view


def _writing() -> set[type[APIView]]:
    from config import urls

    return {
        view
        for view in _views(urls.urlpatterns)
        if any(hasattr(view, method.lower()) for method in UNSAFE_METHODS)
    }


def test_every_api_view_is_carried_out_once_and_in_one_transaction() -> None:
    from config import urls

    views = set(_views(urls.urlpatterns))
    assert len(views) > 20
    assert [view for view in views if view.__mro__[1] is not OnceMixin] == []


def test_what_is_carried_out_differently() -> None:
    found = {view.__name__: execution_of(view) for view in _writing()}
    assert len(found) > len(DIFFERENT)
    assert {
        name: execution
        for name, execution in found.items()
        if execution is not Execution.REPEATABLE
    } == DIFFERENT


def _inputs(view: type[APIView]) -> set[type[Any]]:
    """Serializers that the view's writing methods name, or any of their class."""
    found: set[type[Any]] = set()
    for method in UNSAFE_METHODS:
        handler = getattr(view, method.lower(), None)
        names = [*handler.__code__.co_names] if handler else []
        if declared := getattr(view, "serializer_class", None):
            found.add(declared)
        for name in names:
            given = handler.__globals__
            places = [one for one in given.values() if isinstance(one, ModuleType)]
            values = [given.get(name), *(getattr(place, name, None) for place in places)]
            found |= {one for one in values if isinstance(one, type)}
    return {one for one in found if issubclass(one, serializers.BaseSerializer)}


def _takes_secrets(serializer: type[Any]) -> bool:
    fields = getattr(serializer, "_declared_fields", {})
    return any(isinstance(field, OpaqueField) for field in fields.values())


def test_no_request_with_a_secret_is_repeatable() -> None:
    takes_secrets = {
        view.__name__: execution_of(view).is_repeatable
        for view in _writing()
        if any(map(_takes_secrets, _inputs(view)))
    }
    # The rule finds what it is about.
    assert {"LoginView", "PasswordChangeView", "UserListView"} <= set(takes_secrets)
    assert {name for name, is_repeatable in takes_secrets.items() if is_repeatable} == set()
