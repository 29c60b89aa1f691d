"""What the router adds to a plain viewset, and the base of those whose writes are services."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import models, transaction
from django_filters.filterset import filterset_factory
from rest_framework.mixins import (
    CreateModelMixin,
    DestroyModelMixin,
    ListModelMixin,
    UpdateModelMixin,
)
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from shared_apps.core.api import filters, versioning
from shared_apps.core.api.conditional import ConditionalRequests
from shared_apps.core.base_models import VersionedModel
from shared_apps.core.serializers import require_strict

M = TypeVar("M", bound=models.Model)

_BACKENDS = (filters.DeclaredFilters, filters.DeclaredSearch, filters.DeclaredOrdering)


class StrictBodies:
    """Unknown and read-only fields are refused by name, and PUT sends every field."""

    request: Any

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer = super().get_serializer(*args, **kwargs)  # type: ignore[misc]  # a mixin of views
        if hasattr(serializer, "initial_data"):
            require_strict(serializer, is_whole=self.request.method == "PUT")
        return serializer


class VersionedShapes:
    """`serializer_classes = {"v1": …, "v2": …}`: each version's own, or that of the nearest before it."""

    # No default here: the router puts this class in front of the view's own.
    serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]]
    request: Any

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        shapes: Mapping[str, type[BaseSerializer[Any]]] = getattr(self, "serializer_classes", {})
        if shapes:
            return versioning.pick(shapes, self.request)
        found: type[BaseSerializer[Any]] = super().get_serializer_class()  # type: ignore[misc]  # a mixin of views
        return found


class _AtomicCreate:
    def create(self, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            answer: Response = super().create(*args, **kwargs)  # type: ignore[misc]  # a mixin of views
            return answer


class _AtomicUpdate:
    def update(self, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            answer: Response = super().update(*args, **kwargs)  # type: ignore[misc]  # a mixin of views
            return answer


class _AtomicDestroy:
    def destroy(self, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            answer: Response = super().destroy(*args, **kwargs)  # type: ignore[misc]  # a mixin of views
            return answer


# A write of the REST framework's own is one transaction, also where no other is around the request (the public
# host, a urlconf of one's own): If-Match locks the row that it compares. A view that calls services leaves it to them.
_ATOMIC: tuple[tuple[type[Any], str, type[Any]], ...] = (
    (CreateModelMixin, "create", _AtomicCreate),
    (UpdateModelMixin, "update", _AtomicUpdate),
    (DestroyModelMixin, "destroy", _AtomicDestroy),
)


class ServiceViewSet(VersionedShapes, ConditionalRequests, GenericViewSet[M], Generic[M]):
    """Shapes by version, bodies by action; a method reads the body, calls one service, shows the row."""

    input_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {}
    """Action → what its body must be; one without takes none."""
    success_status: int | None = None
    """Of an action that does not answer with 200: `@action(success_status=201)`."""
    is_filtered: bool = False
    """Of an action that takes the list's filters though it shows no rows: `@action(is_filtered=True)`."""

    def body(self) -> dict[str, Any]:
        """Raises ValidationError, field by field."""
        sent = self.input_classes[self.action](data=self.request.data)
        sent.is_valid(raise_exception=True)
        return dict(sent.validated_data)

    def show(self, row: M) -> Response:
        status = 201 if self.action == "create" else self.success_status or 200
        return Response(self.get_serializer(row).data, status=status)


def conform(viewset: type[GenericViewSet[Any]]) -> type[GenericViewSet[Any]]:
    """The viewset with what every one of ours has.

    Raises:
        ImproperlyConfigured: it takes away what no list may lack, or asks for what its model cannot do.
    """
    _require_conventions(viewset)
    parts: list[type[Any]] = [
        part
        for part in (VersionedShapes, StrictBodies, ConditionalRequests)
        if not issubclass(viewset, part)
    ]
    parts += [
        atomic
        for mixin, name, atomic in _ATOMIC
        if getattr(viewset, name, None) is getattr(mixin, name)
    ]
    added = {
        "__module__": viewset.__module__,
        "__doc__": viewset.__doc__,
        **_looked_up_by(viewset),
        **_filtered_by(viewset),
    }
    conforming: type[GenericViewSet[Any]] = type(viewset.__name__, (*parts, viewset), added)
    return conforming


def _require_conventions(viewset: type[Any]) -> None:
    name = viewset.__name__
    if not issubclass(viewset, GenericViewSet):
        raise ImproperlyConfigured(f"{name} does not derive from GenericViewSet")
    model = _model_of(viewset)
    is_conditional = getattr(viewset, "if_match_required", False)
    if is_conditional and model and not issubclass(model, VersionedModel):
        raise ImproperlyConfigured(f"{name} asks for If-Match, but {model.__name__} has no version")
    if not hasattr(viewset, "list"):
        return
    if viewset.pagination_class is None:
        raise ImproperlyConfigured(f"{name}: a list without a paginator has no end")
    missing = [one for one in _BACKENDS if not _has(viewset.filter_backends, one)]
    if missing and issubclass(viewset, ListModelMixin):
        raise ImproperlyConfigured(f"{name}: filter_backends lacks {missing[0].__name__}")


def _has(backends: Any, wanted: type[Any]) -> bool:
    return any(issubclass(backend, wanted) for backend in backends)


def _looked_up_by(viewset: type[Any]) -> dict[str, str]:
    """What is no UUID does not reach a view whose rows have them."""
    model = _model_of(viewset)
    is_told = hasattr(viewset, "lookup_value_converter") or hasattr(viewset, "lookup_value_regex")
    if model is None or is_told or viewset.lookup_field not in ("pk", model._meta.pk.name):
        return {}
    return (
        {"lookup_value_converter": "uuid"} if isinstance(model._meta.pk, models.UUIDField) else {}
    )


def _filtered_by(viewset: type[Any]) -> dict[str, Any]:
    """The filter set of `filterset_fields`, made once instead of for each request."""
    fields = getattr(viewset, "filterset_fields", None)
    if not fields or getattr(viewset, "filterset_class", None):
        return {}
    model = _model_of(viewset)
    if model is None:
        raise ImproperlyConfigured(
            f"{viewset.__name__}: filterset_fields needs `queryset`; declare filterset_class instead"
        )
    return {
        "filterset_class": filterset_factory(model, filterset=filters.FieldFilters, fields=fields)
    }


def _model_of(viewset: type[Any]) -> Any:
    queryset = getattr(viewset, "queryset", None)
    return None if queryset is None else queryset.model
