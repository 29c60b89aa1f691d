"""The declaration of versions refuses what could not be kept."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from shared_apps.core.api.versioning import pick
from shared_apps.core.api.versions import ApiVersion, ApiVersions

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def ending(name: str, **changes: Any) -> ApiVersion:
    return ApiVersion(name, **{"deprecated_at": MAY, "sunset_at": JUNE, **changes})


@pytest.mark.parametrize(
    ("live", "problem"),
    [
        ((), "0 versions are live"),
        ((ending("v1"), ending("v2"), ApiVersion("v3")), "3 versions are live"),
        ((ending("v1"), ApiVersion("v3")), "follows the one before"),
        ((ending("v2"), ApiVersion("v1")), "follows the one before"),
        ((ending("v1"), ApiVersion("v1")), "follows the one before"),
        ((ApiVersion("v1"), ApiVersion("v2")), "needs deprecated_at and sunset_at"),
        ((ending("v1", sunset_at=None), ApiVersion("v2")), "needs deprecated_at and sunset_at"),
        ((ending("v1", sunset_at=MAY, deprecated_at=JUNE), ApiVersion("v2")), "ends before"),
        ((ending("v1", sunset_at=JUNE.replace(tzinfo=None)), ApiVersion("v2")), "time zone"),
        ((ending("v1"),), "has no successor"),
        ((ApiVersion("1"),), "is not a name"),
        ((ApiVersion("v0"),), "is not a name"),
        ((ApiVersion("v01"),), "is not a name"),
    ],
)
def test_what_cannot_be_kept_is_refused(live: tuple[ApiVersion, ...], problem: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=problem):
        ApiVersions(live=live)


def test_the_headers_of_one_that_ends() -> None:
    declared = ApiVersions(live=(ending("v1", sunset_at=MAY), ApiVersion("v2")))

    assert declared.oldest.announcement == {
        "Deprecation": "@1777593600",
        "Sunset": "Fri, 01 May 2026 00:00:00 GMT",
    }
    assert declared.newest.announcement == {}
    assert (declared.find(1), declared.find(3)) == (declared.oldest, None)


@pytest.mark.parametrize(
    ("version", "picked"), [("v1", "one"), ("v2", "two"), ("v3", "two"), (None, "two")]
)
def test_a_version_without_a_shape_has_that_of_the_nearest_before(
    version: str | None, picked: str
) -> None:
    request: Any = SimpleNamespace(version=version)

    assert pick({"v1": "one", "v2": "two"}, request) == picked
