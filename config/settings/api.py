"""The REST API."""

from config.settings.versions import API_VERSIONS

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "shared_apps.authn.authentication.TokenAuthentication",
        "shared_apps.authn.authentication.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["shared_apps.authn.permissions.HasPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["shared_apps.core.parsers.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "shared_apps.core.pagination.PagePagination",
    "DEFAULT_FILTER_BACKENDS": [
        "shared_apps.core.api.filters.DeclaredFilters",
        "shared_apps.core.api.filters.DeclaredSearch",
        "shared_apps.core.api.filters.DeclaredOrdering",
    ],
    "DEFAULT_METADATA_CLASS": "shared_apps.core.metadata.EndpointMetadata",
    "DEFAULT_SCHEMA_CLASS": "shared_apps.core.openapi.schema.EndpointSchema",
    "EXCEPTION_HANDLER": "shared_apps.core.problems.exception_handler",
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.NamespaceVersioning",
    "ALLOWED_VERSIONS": API_VERSIONS.names,
    # ?format=csv is a query of ours, not an override of the renderer.
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": 0,
}
# The largest body of a JSON request, in bytes.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
