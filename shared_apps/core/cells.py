"""Cells of CSV files that people open in a spreadsheet."""

from typing import Final

# What a spreadsheet takes for a formula, and the mark itself.
_MARKED: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def inert(text: str) -> str:
    """A quote ahead of what a spreadsheet would run."""
    return f"'{text}" if text.startswith(_MARKED) else text
