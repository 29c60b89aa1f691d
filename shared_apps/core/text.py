"""What text from outside may contain."""

import unicodedata

# Control characters cut off C strings, forge log lines and mean nothing in a name or a password;
# a lone surrogate cannot be encoded at all.
_UNUSABLE = frozenset({"Cc", "Cs"})


def has_unusable_characters(text: str) -> bool:
    """Whether `text` holds NUL, other control characters or lone surrogates."""
    return any(unicodedata.category(character) in _UNUSABLE for character in text)
