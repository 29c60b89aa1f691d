"""Places outside the audit database that anchors are given to, each named by a URL."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from shared_apps.audit.anchors.places.directory import Directory
from shared_apps.audit.anchors.places.syslog import Syslog
from shared_apps.audit.errors import AnchorPlaceError
from shared_apps.core.required import SettingMissingError


class Place(Protocol):
    """Somewhere that keeps an anchor once it has it."""

    @property
    def name(self) -> str:
        """Stays the same as long as the place does; holds no secret."""

    def keep(self, counter: int, document: str) -> None:
        """Return when the anchor is there to stay; again for the same one changes nothing.

        Raises:
            OSError: the place cannot be reached or written.
            AnchorRefusedError: it holds another anchor of this number.
        """


def places(urls: Sequence[str]) -> list[Place]:
    """Raises SettingMissingError, AnchorPlaceError: there is none, or one that is not known."""
    if not urls:
        raise SettingMissingError.named("AUDIT_ANCHOR_PLACES")
    return [_place(url) for url in urls]


def directories(urls: Sequence[str]) -> list[Path]:
    """Those that can be read again on this machine."""
    return [place.path for place in map(_place, urls) if isinstance(place, Directory)]


def _place(url: str) -> Place:
    try:
        parts = urlsplit(url)
        match parts.scheme:
            case "file" if parts.path and not parts.netloc:
                return Directory(Path(parts.path))
            case "syslog" | "syslog+tcp" if parts.hostname:
                is_stream = parts.scheme.endswith("tcp")
                return Syslog(
                    host=parts.hostname,
                    port=parts.port or (601 if is_stream else 514),
                    is_stream=is_stream,
                )
            case "syslog+unix" if parts.path and not parts.netloc:
                return Syslog(socket_path=parts.path)
    except ValueError:
        pass  # a port that is no number
    raise AnchorPlaceError(
        f"AUDIT_ANCHOR_PLACES: {parts.scheme or url}: must be file:///DIRECTORY, syslog://HOST[:PORT],"
        " syslog+tcp://HOST[:PORT] or syslog+unix:///SOCKET"
    )
