"""What OPTIONS answers."""

from typing import TYPE_CHECKING, Any

from rest_framework.metadata import SimpleMetadata

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class EndpointMetadata(SimpleMetadata):
    """Name, description and formats of an endpoint; its fields are in the OpenAPI document.

    The base class would ask each list view for one serializer, which views with separate shapes for
    input and output do not have.
    """

    def determine_metadata(self, request: "Request", view: "APIView") -> dict[str, Any]:
        return {
            "name": view.get_view_name(),
            "description": view.get_view_description(),
            "renders": [renderer.media_type for renderer in view.renderer_classes],
            "parses": [parser.media_type for parser in view.parser_classes],
        }
