"""Under which keys attempts are counted. No name is readable in Redis."""

import unicodedata

from django.utils.crypto import salted_hmac

_LONGEST = 1024


def account_key(username: str, *, is_directory: bool) -> str:
    """One value for all names that may lead to the same account.

    Directories do not tell `ALICE` from ` alice`, some not `alice` from `alice` with a NUL behind it, and
    know the same person as `EXAMPLE\\alice` and `alice@example.com`; there the part that all of these
    have in common counts. Names that differ here are surely different accounts; that two accounts
    may share a value costs them a limit in common and nothing else.
    """
    folded = unicodedata.normalize("NFKC", username[:_LONGEST]).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    # Blanks, control and format characters, lone surrogates.
    kept = "".join(
        character
        for character in folded
        if not character.isspace() and unicodedata.category(character)[0] != "C"
    )
    if is_directory:
        kept = kept.rpartition("\\")[2].partition("@")[0] or kept
    return _sealed(kept)


def _sealed(value: str) -> str:
    """Names are few and can be tried, so a plain hash would tell them."""
    made = salted_hmac("freehold.authn.limits.account", value, algorithm="sha256")
    return made.hexdigest()[:32]
