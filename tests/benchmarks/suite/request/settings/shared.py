"""What all that are compared have in common: the product's settings with a sign-in that costs nothing."""

from typing import Any

from config.settings.local import DATABASES as _PRODUCT
from config.settings.local import REST_FRAMEWORK as _REST_FRAMEWORK
from tests.benchmarks.suite.request.settings.unlimited import *

REST_FRAMEWORK = {
    **_REST_FRAMEWORK,
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tests.benchmarks.suite.request.authentication.FixedTokenAuthentication"
    ],
}


def owner_database(**changes: Any) -> dict[str, Any]:
    """For those without roles: the login that owns the schemas, kept as long as the product keeps its."""
    login = {
        key: _PRODUCT["migration"][key] for key in ("HOST", "PORT", "NAME", "USER", "PASSWORD")
    }
    return {**login, "CONN_MAX_AGE": _PRODUCT["default"]["CONN_MAX_AGE"], **changes}
