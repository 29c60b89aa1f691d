"""Which vendor a row means."""

from typing import Final
from uuid import UUID

from tenant_apps.invoicing import selectors

_MOST_KNOWN: Final = 10_000


class Vendors:
    """By id or by name; each is looked up once, so that a long file asks little."""

    def __init__(self) -> None:
        self._known: dict[str, UUID | str] = {}

    def find(self, text: str) -> UUID:
        """Raises ValueError, with what is wrong."""
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[text] = _look_up(text)
        if isinstance(found, str):
            raise ValueError(found)
        return found


def _look_up(text: str) -> UUID | str:
    try:
        vendor = selectors.find_vendor(vendor_id=UUID(text))
        ids = [vendor.id] if vendor else []
    except ValueError:
        ids = selectors.list_vendor_ids_by_name(name=text)
    if not ids:
        return "There is no such vendor."
    return ids[0] if len(ids) == 1 else "Several vendors have this name: give the id instead."
