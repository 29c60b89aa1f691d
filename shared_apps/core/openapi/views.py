"""The OpenAPI document of the host and version that are asked, and two pages that show it to people.

Open to everybody unless API_DOCS_NEED_SIGN_IN says otherwise. Nothing is loaded from elsewhere.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import drf_spectacular_sidecar
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from shared_apps.core.errors import NotFoundError, UnauthenticatedError
from shared_apps.core.openapi import documents

_TYPES: dict[documents.Format, str] = {"json": "application/json", "yaml": "application/yaml"}
_SIDECAR = Path(drf_spectacular_sidecar.__file__).parent / "static/drf_spectacular_sidecar"
_OURS = Path(__file__).parent / "pages"
_ASSETS = {
    "swagger-ui.css": (_SIDECAR / "swagger-ui-dist/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": (_SIDECAR / "swagger-ui-dist/swagger-ui-bundle.js", "text/javascript"),
    "redoc.standalone.js": (_SIDECAR / "redoc/bundles/redoc.standalone.js", "text/javascript"),
    "swagger.js": (_OURS / "swagger.js", "text/javascript"),
    "redoc.js": (_OURS / "redoc.js", "text/javascript"),
    "pages.css": (_OURS / "pages.css", "text/css"),
}
# Both pages make style elements as they go, and ReDoc searches in a worker that it makes itself.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class MayReadDocuments(BasePermission):
    """Everybody, or everybody who is signed in, as the installation says."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if settings.API_DOCS_NEED_SIGN_IN and request.user is None:
            raise UnauthenticatedError
        return True


class DocumentView(APIView):
    permission_classes = [MayReadDocuments]

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Where everybody may read, a token that is no longer good is nobody's business."""
        return super().get_authenticators() if settings.API_DOCS_NEED_SIGN_IN else []

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Browsers ask for a page; what they get does not depend on it."""
        return super().perform_content_negotiation(request, force=True)


class FormatQuery(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=sorted(_TYPES), required=False)


class SchemaView(DocumentView):
    """This document. Without `format`, YAML for those whose `Accept` names it and JSON for all others."""

    @extend_schema(
        parameters=[FormatQuery],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "application/yaml"): OpenApiTypes.OBJECT,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        query = FormatQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        accepts_yaml = "yaml" in request.headers.get("Accept", "")
        form = query.validated_data.get("format", "yaml" if accepts_yaml else "json")
        content = documents.rendered(
            urlconf=urlconf_of(request), version=str(request.version), form=form
        )
        return _conditional(request, content, content_type=_TYPES[form], vary="Accept")


class PageView(DocumentView):
    """A page of its own for people: no part of the document."""

    styles: Sequence[str]
    scripts: Sequence[str]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponseBase:
        html = render_to_string(
            "core/api_docs.html",
            {
                "schema": reverse_here(request, "schema"),
                "assets": _assets(request),
                "styles": self.styles,
                "scripts": self.scripts,
            },
        )
        headers = {
            "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
            "Cache-Control": "no-cache",
            "Referrer-Policy": "same-origin",
        }
        return HttpResponse(html, headers=headers)


class SwaggerView(PageView):
    styles = ("swagger-ui.css", "pages.css")
    scripts = ("swagger-ui-bundle.js", "swagger.js")


class RedocView(PageView):
    styles = ("pages.css",)
    scripts = ("redoc.standalone.js", "redoc.js")


class AssetView(DocumentView):
    """The scripts and styles of the pages, the same at every installation."""

    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def get(self, request: Request, name: str) -> HttpResponseBase:
        if name not in _ASSETS:
            raise NotFoundError
        path, content_type = _ASSETS[name]
        return _conditional(request, path.read_bytes(), content_type=content_type)


def urlconf_of(request: Request | HttpRequest) -> str:
    return str(getattr(request, "urlconf", None) or settings.ROOT_URLCONF)


def reverse_here(request: Request, name: str, arguments: Sequence[str] = ()) -> str:
    return reverse(f"{request.version}:{name}", args=arguments, urlconf=urlconf_of(request))


def _assets(request: Request) -> str:
    """The directory that they seem to be in."""
    return reverse_here(request, "docs-asset", arguments=["x"]).removesuffix("x")


def _conditional(
    request: Request, content: bytes, *, content_type: str, vary: str = ""
) -> HttpResponseBase:
    """The content, or 304 to whoever has it already."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if vary:
        headers["Vary"] = vary
    response = HttpResponse(content, content_type=f"{content_type}; charset=utf-8", headers=headers)
    return get_conditional_response(request._request, etag=etag, response=response) or response
