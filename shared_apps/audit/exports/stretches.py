"""What a file holds of one chain: counted when it is written, and again when it is checked."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stretch:
    """Entries of one tenant, from the first to the last that the file has."""

    tenant_id: str
    entries: int = 0
    first_sequence: int | None = None
    last_sequence: int | None = None
    previous_hash: str | None = None
    """Of the entry before the first."""
    hash: str | None = None
    """Of the last."""
    is_whole: bool = True
    """No number is left out between the first and the last."""

    def add(self, sequence: int, *, previous: str | None, own: str) -> None:
        if self.last_sequence is None:
            self.first_sequence, self.previous_hash = sequence, previous
        elif sequence != self.last_sequence + 1:
            self.is_whole = False
        self.entries += 1
        self.last_sequence, self.hash = sequence, own
