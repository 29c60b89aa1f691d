"""A bucket of an object store: an anchor an object, put where nothing is, and read again before it counts as kept."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape

from shared_apps.audit.anchors.places.s3.store import Requests, Store
from shared_apps.audit.errors import AnchorPlaceUnavailableError, AnchorRefusedError

_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_NUMBER = re.compile(r"anchor-(\d{12})\.jsonl", re.ASCII)
_READERS = 8  # connections at once
_PORTION = 50  # objects that one reads over its connection


@dataclass(frozen=True, slots=True)
class Bucket:
    store: Store
    prefix: str
    """Ends with a slash, or is empty."""
    retention: timedelta = timedelta()
    """That nobody may shorten, by object lock in compliance mode; none: what the bucket itself says."""
    page: int = 1000
    """Keys that the store is asked for at a time."""

    @property
    def name(self) -> str:
        return f"s3://{self.store.bucket}/{self.prefix}".rstrip("/")

    def keep(self, counter: int, document: str) -> None:
        """Looked for first, because not every store heeds the condition that nothing may be there yet."""
        key, content = self._key(counter), document.encode()
        with self.store.connected() as requests:
            kept = requests.get(key)
            if kept is None:
                requests.put(key, content, self._lock())
                kept = requests.get(key)
        if kept is None:
            raise AnchorPlaceUnavailableError(
                f"{self.name}: {key} was taken and is not there; it will be sent again"
            )
        if kept != content:
            raise AnchorRefusedError(
                f"{self.name}/{_file(counter)} is there with other content: the audit database was set back,"
                " or something else writes there"
            )

    def newest(self, *, after: int) -> str | None:
        """The document of the highest number above one; None: there is none."""
        with self.store.connected() as requests:
            keys = list(self._keys(requests, after=after))
            found = requests.get(keys[-1]) if keys else None
        return None if found is None else found.decode(errors="replace")

    def documents(self) -> Iterator[str]:
        """All of them, in their order.

        Raises:
            AnchorPlaceUnavailableError: the store does not answer, or does not give them.
        """
        with self.store.connected() as requests:
            keys = list(self._keys(requests, after=0))
        with ThreadPoolExecutor(_READERS, thread_name_prefix="anchors") as pool:
            # No more at once than are being read, so that no year of anchors is held in memory.
            for start in range(0, len(keys), _READERS * _PORTION):
                some = keys[start : start + _READERS * _PORTION]
                portions = [some[at : at + _PORTION] for at in range(0, len(some), _PORTION)]
                for texts in pool.map(self._read, portions):
                    yield from texts

    def _read(self, keys: list[str]) -> list[str]:
        with self.store.connected() as requests:
            found = [requests.get(key) for key in keys]
        # One that goes while we read is missing, as the numbers tell.
        return [content.decode(errors="replace") for content in found if content is not None]

    def _keys(self, requests: Requests, *, after: int) -> Iterator[str]:
        last = self._key(after)
        while True:
            page = requests.list_page(prefix=f"{self.prefix}anchor-", after=last, most=self.page)
            keys = [unescape(found.decode(errors="replace")) for found in _KEY.findall(page)]
            # What else lies there is nobody's anchor; what is listed again was not asked for.
            yield from (key for key in keys if key > last and self._is_anchor(key))
            if b"<IsTruncated>true<" not in page or not keys or keys[-1] <= last:
                return
            last = keys[-1]

    def _is_anchor(self, key: str) -> bool:
        return _NUMBER.fullmatch(key.removeprefix(self.prefix)) is not None

    def _key(self, counter: int) -> str:
        return f"{self.prefix}{_file(counter)}"

    def _lock(self) -> dict[str, str]:
        if not self.retention:
            return {}
        until = datetime.now(UTC) + self.retention
        return {
            "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        }


def _file(counter: int) -> str:
    return f"anchor-{counter:012d}.jsonl"
