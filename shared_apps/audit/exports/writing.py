"""An export as it is written: entries page by page, and at the end what they must add up to."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared_apps.audit.exports.entries import ChainRead, Reading, pages
from shared_apps.audit.exports.rendering import Format
from shared_apps.audit.exports.stretches import Stretch

VERSION = 1

Report = Callable[[int], None]
"""Told how many numbers of the chains have been looked at."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Where an export ends early, and says so."""

    entries: int
    seconds: float


@dataclass(slots=True)
class Export:
    """Iterate over it for the bytes; then `manifest` says what they are."""

    format: Format
    reading: Reading
    chains: Sequence[ChainRead]
    exported_at: datetime
    limit: Limit | None = None
    report: Report = lambda done: None
    page_size: int = 1000
    manifest: dict[str, Any] = field(default_factory=dict, init=False)
    _sum: Any = field(default_factory=hashlib.sha256, init=False)
    _stretches: list[Stretch] = field(default_factory=list, init=False)
    _looked_at: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[bytes]:
        until = None if self.limit is None else time.monotonic() + self.limit.seconds
        if self.format.head:
            yield self._counted(self.format.head)
        is_complete = True
        for chain in self.chains:
            stretch = Stretch(str(chain.tenant_id))
            self._stretches.append(stretch)
            for page in pages(self.reading, chain, size=self._size()):
                allowed = page if self.limit is None else page[: self._room()]
                for entry in allowed:
                    previous = entry.previous_hash.hex() if entry.previous_hash else None
                    stretch.add(entry.sequence, previous=previous, own=entry.hash.hex())
                if allowed:
                    yield self._counted(b"".join(map(self.format.entry, allowed)))
                    self.report(self._looked_at + allowed[-1].sequence - chain.after)
                is_late = until is not None and time.monotonic() >= until
                if len(allowed) < len(page) or (is_late and page[-1].sequence < chain.last):
                    is_complete = False
                    break
            self._looked_at += chain.last - chain.after
            if not is_complete:
                break
        self.manifest = self._describe(is_complete)
        yield self.format.end(self.manifest)

    def _size(self) -> int:
        return self.page_size if self.limit is None else min(self.page_size, self.limit.entries + 1)

    def _room(self) -> int:
        assert self.limit is not None
        return self.limit.entries - sum(stretch.entries for stretch in self._stretches)

    def _counted(self, data: bytes) -> bytes:
        self._sum.update(data)
        return data

    def _describe(self, is_complete: bool) -> dict[str, Any]:
        asked = {} if not self.chains else asdict(self.chains[0].where)
        return {
            "version": VERSION,
            "format": self.format.name,
            "exported_at": self.exported_at.astimezone(UTC).isoformat(),
            "filters": {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in asked.items()
                if value is not None
            },
            "complete": is_complete,
            "entries": sum(stretch.entries for stretch in self._stretches),
            "chains": [asdict(stretch) for stretch in self._stretches],
            "sha256": self._sum.hexdigest(),
        }
