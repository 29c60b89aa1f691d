"""Places outside the audit database that anchors are given to, each named by a URL."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from shared_apps.audit.anchors.places.directory import Directory
from shared_apps.audit.anchors.places.s3.bucket import Bucket
from shared_apps.audit.anchors.places.s3.signing import Credentials
from shared_apps.audit.anchors.places.s3.store import Store
from shared_apps.audit.anchors.places.syslog import Syslog
from shared_apps.audit.errors import AnchorPlaceError
from shared_apps.core.required import SettingMissingError, required

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]*/)*", re.ASCII)


class Place(Protocol):
    """Somewhere that keeps an anchor once it has it."""

    @property
    def name(self) -> str:
        """Stays the same as long as the place does; holds no secret."""

    def keep(self, counter: int, document: str) -> None:
        """Return when the anchor is there to stay; again for the same one changes nothing.

        Raises:
            OSError, AnchorPlaceUnavailableError: the place cannot be reached or written.
            AnchorRefusedError: it holds another anchor of this number.
        """


def places(urls: Sequence[str]) -> list[Place]:
    """Raises SettingMissingError, AnchorPlaceError: there is none, or one that is not known."""
    if not urls:
        raise SettingMissingError.named("AUDIT_ANCHOR_PLACES")
    return [_place(url) for url in urls]


def sources(named: Sequence[str] | None) -> list[Path | Bucket]:
    """Where to read anchors: what is named, else those of `AUDIT_ANCHOR_PLACES` that can be read again from here.

    Raises:
        SettingMissingError, AnchorPlaceError: there is none, or one that cannot be.
    """
    if named:
        return [source(text) for text in named]
    found = [
        place.path if isinstance(place, Directory) else place
        for place in map(_place, settings.AUDIT_ANCHOR_PLACES)
        if isinstance(place, (Directory, Bucket))
    ]
    if not found:
        raise AnchorPlaceError(
            "--anchors, or a directory or bucket in AUDIT_ANCHOR_PLACES, has the anchors"
        )
    return found


def source(text: str) -> Path | Bucket:
    """Where somebody has kept anchors: `s3://BUCKET/PREFIX`, or a path of this machine.

    Raises:
        SettingMissingError, AnchorPlaceError: it is no bucket, or there is no key to it.
    """
    if not text.startswith("s3://"):
        return Path(text)
    place = _place(text)
    assert isinstance(place, Bucket)
    return place


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
            case "s3":
                return _bucket(parts)
    except ValueError:
        pass  # a port that is no number
    raise AnchorPlaceError(
        f"AUDIT_ANCHOR_PLACES: {parts.scheme or url}: must be file:///DIRECTORY, s3://BUCKET/PREFIX,"
        " syslog://HOST[:PORT], syslog+tcp://HOST[:PORT] or syslog+unix:///SOCKET"
    )


def _bucket(parts: SplitResult) -> Bucket:
    prefix = f"{parts.path.strip('/')}/".lstrip("/")
    if parts.query or parts.fragment or not _BUCKET.fullmatch(parts.netloc):
        raise AnchorPlaceError("AUDIT_ANCHOR_PLACES: s3: must be s3://BUCKET/PREFIX")
    if not _PREFIX.fullmatch(prefix):
        raise AnchorPlaceError(
            "AUDIT_ANCHOR_PLACES: s3: the prefix has characters that keys should not have"
        )
    return Bucket(
        Store(
            bucket=parts.netloc,
            credentials=Credentials(
                required("AUDIT_ANCHOR_S3_KEY_ID"), required("AUDIT_ANCHOR_S3_SECRET_KEY")
            ),
            region=settings.AUDIT_ANCHOR_S3_REGION,
            endpoint=_endpoint(settings.AUDIT_ANCHOR_S3_ENDPOINT),
            authorities=settings.AUDIT_ANCHOR_S3_AUTHORITIES,
        ),
        prefix=prefix,
        retention=timedelta(days=settings.AUDIT_ANCHOR_S3_LOCK_DAYS),
    )


def _endpoint(url: str) -> str:
    """`host[:port]`; empty: AWS."""
    parts = urlsplit(url)
    is_bare = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
    if url and not (parts.hostname and parts.port != 0 and is_bare):
        raise AnchorPlaceError("AUDIT_ANCHOR_S3_ENDPOINT must be https://HOST[:PORT]")
    return parts.netloc
