"""Which versions of the API there are: declared once, in `API_VERSIONS` (config/settings/versions.py)."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.core.exceptions import ImproperlyConfigured
from django.utils.http import http_date

_NAME = re.compile(r"v([1-9]\d{0,3})", re.ASCII)
_MOST_LIVE = 2
"""The present one and the one before it (N-1)."""


@dataclass(frozen=True)
class ApiVersion:
    """A version that is answered under `/api/<name>/`."""

    name: str
    deprecated_at: datetime | None = None
    """From when nobody should begin to use it."""
    sunset_at: datetime | None = None
    """When it ends."""

    @cached_property
    def number(self) -> int:
        match = _NAME.fullmatch(self.name)
        if match is None:
            raise ImproperlyConfigured(f"API_VERSIONS: {self.name!r} is not a name such as v1")
        return int(match[1])

    @cached_property
    def announcement(self) -> dict[str, str]:
        """The headers of every answer: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""
        headers: dict[str, str] = {}
        if self.deprecated_at:
            headers["Deprecation"] = f"@{int(self.deprecated_at.timestamp())}"
        if self.sunset_at:
            headers["Sunset"] = http_date(self.sunset_at.timestamp())
        return headers


@dataclass(frozen=True)
class ApiVersions:
    """The live versions, oldest first; each one's successor is the next."""

    live: tuple[ApiVersion, ...]

    def __post_init__(self) -> None:
        numbers = [version.number for version in self.live]
        if not 1 <= len(numbers) <= _MOST_LIVE:
            raise ImproperlyConfigured(
                f"API_VERSIONS: {len(numbers)} versions are live; the present one and the one before it may be"
            )
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise ImproperlyConfigured("API_VERSIONS: each version follows the one before it")
        for version in self.live[:-1]:
            _require_end(version)
        if self.newest.announcement:
            raise ImproperlyConfigured(
                f"API_VERSIONS: {self.newest.name} has no successor, so it cannot be deprecated"
            )

    @property
    def oldest(self) -> ApiVersion:
        return self.live[0]

    @property
    def newest(self) -> ApiVersion:
        return self.live[-1]

    @property
    def names(self) -> list[str]:
        return [version.name for version in self.live]

    def find(self, number: int) -> ApiVersion | None:
        return next((version for version in self.live if version.number == number), None)


def _require_end(version: ApiVersion) -> None:
    """Whoever has a successor says when it ends, and not before it was said to."""
    start, end = version.deprecated_at, version.sunset_at
    if start is None or end is None:
        raise ImproperlyConfigured(
            f"API_VERSIONS: {version.name} has a successor, so it needs deprecated_at and sunset_at"
        )
    if start.tzinfo is None or end.tzinfo is None:
        raise ImproperlyConfigured(f"API_VERSIONS: the dates of {version.name} need a time zone")
    if end < start:
        raise ImproperlyConfigured(f"API_VERSIONS: {version.name} ends before it is deprecated")
