"""The canonical form of an e-mail address. Pure functions."""

import unicodedata


def canonical_email(raw: str) -> str:
    """NFKC, without surrounding blanks, lower case.

    RFC 5321 lets a mail server tell `Bob@` from `bob@`; none does, and two accounts that differ in
    case only are an attack, so the local part is folded as well.
    """
    return unicodedata.normalize("NFKC", raw).strip().lower()
