"""How requests prove who asks, for the OpenAPI document."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "shared_apps.authn.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "`access` of a sign-in, good for the tenant whose host gave it.",
        }


class CookieScheme(OpenApiAuthenticationExtension):
    target_class = "shared_apps.authn.authentication.CookieAuthentication"
    name = "browser"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.BROWSER_COOKIE_NAME,
            "description": "Of a browser that signed in at `/accounts/login/`. What writes also sends "
            f"`{settings.CSRF_HEADER_NAME.removeprefix('HTTP_').replace('_', '-').title()}`.",
        }
