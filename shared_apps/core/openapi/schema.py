"""What every endpoint has without saying so: its name, who may use it, how it can fail, pages and headers.

What an endpoint takes and gives it says itself, by `@extend_schema` beside the method.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance, get_lib_doc_excludes
from drf_spectacular.utils import Direction, OpenApiParameter
from rest_framework.permissions import AllowAny
from rest_framework.settings import api_settings

from shared_apps.core.api.conditional import ConditionalRequests
from shared_apps.core.api.viewsets import ServiceViewSet, StrictBodies, VersionedShapes
from shared_apps.core.execution import Execution, execution_of
from shared_apps.core.openapi import problems
from shared_apps.core.serializers import InputSerializer

Schema = dict[str, Any]

_WRITING = ("POST", "PUT", "PATCH", "DELETE")
_WITH_BODY = ("POST", "PUT", "PATCH")
_OWN_BASES = (ConditionalRequests, ServiceViewSet, StrictBodies, VersionedShapes)
_VERB_OF_LIST = {"GET": "list", "POST": "create", "DELETE": "delete_all"}
_VERB = {"GET": "get", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}

_TAG = {"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*")$'}
_IF_MATCH = OpenApiParameter(
    "If-Match", _TAG, OpenApiParameter.HEADER, description="`ETag` of what is to be changed."
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="`ETag` of what is known already."
)


def _key(*, is_required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key", {"type": "string", "pattern": r"^[!#-+\--\[\]-~]{1,255}$"}, OpenApiParameter.HEADER,
        description="Makes the request safe to repeat (docs/idempotency.md).", required=is_required,
    )  # fmt: skip


_KEY, _KEY_REQUIRED = _key(is_required=False), _key(is_required=True)


class EndpointSchema(AutoSchema):
    def get_operation_id(self) -> str:
        """`invoicing_invoice_list`, `invoicing_invoice_issue`: the address's name, and a verb where the method tells."""
        match = getattr(self.view.request, "resolver_match", None)
        if match is None:
            return str(super().get_operation_id())
        # The first is the version, which each document has one of.
        name = "_".join([*match.namespaces[1:], match.url_name]).replace("-", "_")
        if name.endswith("_list") or name == "list":
            return f"{name.removesuffix('_list')}_{_VERB_OF_LIST.get(self.method, self.method.lower())}"
        verb = _VERB.get(self.method)
        return f"{name.removesuffix('_detail')}_{verb}" if verb else name

    def get_tags(self) -> list[str]:
        """The app that the view belongs to."""
        module = type(self.view).__module__
        config = apps.get_containing_app_config(module)
        return [config.label if config else module.partition(".")[0]]

    def get_description(self) -> str:
        """What the endpoint is, from the docstrings, and for whom."""
        own: str = super().get_description() or ""
        return "\n\n".join(text for text in (own.strip(), self._for_whom()) if text)

    def get_summary(self) -> str:
        words: str = self.get_operation_id().replace("_", " ")
        return words.capitalize()

    def is_deprecated(self) -> bool:
        return bool(self._version_headers())

    def _version_headers(self) -> tuple[str, ...]:
        """Of a version that has a successor."""
        name = getattr(self.view.request, "version", None)
        version = settings.API_VERSIONS.find(int(name[1:])) if name else None
        return ("Deprecation", "Sunset", "Link") if version and version.announcement else ()

    def get_request_serializer(self) -> Any:
        shapes = getattr(self.view, "input_classes", None)
        if shapes is None:
            return super().get_request_serializer()
        return shapes.get(getattr(self.view, "action", None))

    def get_response_serializers(self) -> Any:
        status = getattr(self.view, "success_status", None)
        found = super().get_response_serializers()
        return found if status is None else {status: found}

    def get_override_parameters(self) -> list[Any]:
        given: list[Any] = list(super().get_override_parameters())
        if self._changes_versioned():
            given.append(_IF_MATCH)
        elif self._shows_one():
            given.append(_IF_NONE_MATCH)
        if self._takes_key():
            is_required = execution_of(self.view) is Execution.KEY_REQUIRED
            given.append(_KEY_REQUIRED if is_required else _KEY)
        return given

    def _is_conditional(self) -> bool:
        return isinstance(self.view, ConditionalRequests) and "{" in self.path

    def _changes_versioned(self) -> bool:
        return self._is_conditional() and self.method in _WRITING

    def _shows_one(self) -> bool:
        return self._is_conditional() and self.method == "GET"

    def _takes_key(self) -> bool:
        is_guarded = getattr(self.view, "is_guarded", False)
        return is_guarded and self.method in _WRITING and execution_of(self.view).is_repeatable

    def _for_whom(self) -> str:
        described = [
            _audience(kind, self.view, self.method) for kind in self.view.get_permissions()
        ]
        return " ".join(text for text in described if text)

    def _get_paginator(self) -> Any:
        """Plain views page by the same class as generic ones."""
        kind: Any = getattr(self.view, "pagination_class", api_settings.DEFAULT_PAGINATION_CLASS)
        return kind() if kind else None

    def _get_pagination_parameters(self) -> Any:
        if not self._is_list_view():
            return []
        paginator = self._get_paginator()
        return paginator.get_schema_operation_parameters(self.view) if paginator else []

    def _get_request_for_media_type(self, serializer: Any, direction: Direction = "request") -> Any:
        serializer = force_instance(serializer)
        if not isinstance(serializer, InputSerializer):
            return super()._get_request_for_media_type(serializer, direction)
        # Whether a PATCH may leave out fields is the shape's to say, and said where it is used.
        component = self.resolve_serializer(serializer, direction)
        return component.ref, bool(component.schema.get("required"))

    def _map_basic_serializer(self, serializer: Any, direction: Direction) -> Schema:
        schema: Schema = super()._map_basic_serializer(serializer, direction)
        if isinstance(serializer, InputSerializer):
            # Unknown fields are refused.
            schema.setdefault("properties", {})
            schema["additionalProperties"] = False
        return schema

    def _get_response_bodies(self, direction: Direction = "response") -> Schema:
        responses: Schema = super()._get_response_bodies(direction)
        for status, response in responses.items():
            if int(status) >= 400 and "content" not in response:
                # A failure that was declared without a shape of its own has everybody's.
                responses[status] = problems.response_to(int(status))
                continue
            names = [*problems.EVERY_ANSWER, *self._version_headers()]
            names += ["Idempotency-Replayed"] if self._takes_key() else []
            if "content" in response and isinstance(self.view, ConditionalRequests):
                names += [] if self._is_list_view() else ["ETag"]
            response.setdefault("headers", {}).update(
                {name: problems.header_ref(name) for name in names}
            )
            response["description"] = response.get("description") or "Done."
        if self._shows_one():
            responses["304"] = {
                "description": "It is what `If-None-Match` names.",
                "headers": {name: problems.header_ref(name) for name in problems.EVERY_ANSWER},
            }
        for failure in self._failures():
            responses.setdefault(str(failure), problems.response_to(failure))
        return dict(sorted(responses.items()))

    def _failures(self) -> set[int]:
        """Statuses that are answered with a problem."""
        failures = {400, 406, 429, 503}
        if self.view.get_authenticators():
            failures |= {401, 403}
        if "{" in self.path or self._is_list_view():
            # A list has no page of that number.
            failures |= {404}
        if any(parameter["in"] == "query" for parameter in self._get_parameters()):
            failures |= {414}
        if self.method in _WRITING:
            failures |= {409}
        if self._changes_versioned():
            failures |= {412, 428} if getattr(self.view, "if_match_required", False) else {412}
        if self._version_headers():
            failures |= {410}
        if self.method in _WITH_BODY:
            failures |= {413, 415}
        if self._takes_key():
            failures |= {422}
        return failures


def undescribed_bases() -> list[type]:
    """Classes whose docstrings say nothing about what inherits them."""
    return [*get_lib_doc_excludes(), InputSerializer, *_OWN_BASES]


def _audience(permission: Any, view: Any, method: str) -> str:
    if isinstance(permission, AllowAny):
        return "Open to everybody."
    if hasattr(permission, "permission_for"):
        return f"Needs the permission `{permission.permission_for(view, method)}`."
    first_line = (type(permission).__doc__ or "").strip().partition("\n")[0]
    return f"For: {first_line[:1].lower()}{first_line[1:]}" if first_line else ""
