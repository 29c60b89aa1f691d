"""Which version of a row a change was meant for: `If-Match` (RFC 9110, section 13.1.1)."""

import re
from dataclasses import dataclass

from shared_apps.core.base_models import VersionedModel
from shared_apps.core.errors import InvalidError, PreconditionFailedError

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_BETWEEN = re.compile(r"[ \t]*,[ \t]*(?=\S)")
# Ours begin with the version; what follows tells representations of it apart.
_VERSION = re.compile(r"([1-9]\d{0,9})(?:-[0-9a-f]+)?", re.ASCII)


class MalformedTagError(InvalidError):
    code = "malformed_entity_tag"
    message = 'If-Match and If-None-Match are "*" or entity tags in double quotes.'


@dataclass(frozen=True, slots=True)
class Expected:
    """Versions that a change may meet; None: whichever there is."""

    versions: frozenset[int] | None

    def require(self, row: VersionedModel) -> None:
        """
        Call it with the row locked, or save the same instance afterwards.

        Raises:
            PreconditionFailedError: it has another one.
        """
        if self.versions is not None and row.version not in self.versions:
            raise PreconditionFailedError


def require_expected(row: VersionedModel, expected: Expected | None) -> None:
    """Raises PreconditionFailedError; None expects nothing."""
    if expected is not None:
        expected.require(row)


def expected_of(header: str | None) -> Expected | None:
    """Raises MalformedTagError. A weak tag, or one that is not ours, matches no version."""
    if header is None:
        return None
    if header.strip() == "*":
        return Expected(None)
    versions: set[int] = set()
    for is_weak, opaque in tags_of(header):
        match = None if is_weak else _VERSION.fullmatch(opaque)
        if match:
            versions.add(int(match[1]))
    return Expected(frozenset(versions))


def tags_of(header: str) -> list[tuple[bool, str]]:
    """Whether each tag of a header is weak, and what it says. Raises MalformedTagError."""
    tags: list[tuple[bool, str]] = []
    place, text = 0, header.strip()
    while place < len(text):
        match = _TAG.match(text, place)
        if match is None:
            raise MalformedTagError
        tags.append((bool(match[1]), match[2]))
        place = match.end()
        # What follows is a comma and a tag, or the end.
        between = _BETWEEN.match(text, place)
        if between is None and place < len(text):
            raise MalformedTagError
        place = between.end() if between else place
    if not tags:
        raise MalformedTagError
    return tags
