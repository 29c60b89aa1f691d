"""Versions of the API: addresses, headers and serializers follow from this (docs/api.md)."""

from datetime import UTC, datetime

from config.env import env
from shared_apps.core.api.versions import ApiVersion, ApiVersions

API_VERSIONS = ApiVersions(
    live=(
        ApiVersion(
            "v1",
            deprecated_at=datetime(2026, 11, 1, tzinfo=UTC),
            sunset_at=datetime(2027, 11, 1, tzinfo=UTC),
        ),
        ApiVersion("v2"),
    )
)
# Whether a version is answered with 410 once its end has come.
API_SUNSET_ENFORCED = env.boolean("FREEHOLD_API_SUNSET_ENFORCED", default=False)
