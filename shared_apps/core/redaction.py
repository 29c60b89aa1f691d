"""Takes secrets and personal data out of what is logged: by the name of a field, and by their form in any text.

The last step of the pipeline (log_lines.py), so that nothing has to be thought of where something is
logged. What is meant to be read has no such names and forms; what is taken out by mistake is the lesser evil.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

REPLACED = "[redacted]"
_DEEPEST = 6
_LONGEST = 32_768  # characters of one text; a traceback has seldom more than a tenth

# `old_password`, `X-Api-Key`, `csrftoken`: the words may stand anywhere in a name.
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|authorization|cookie|credential|api_?key|private_?key|signing_?key"
    r"|(?:^|_)(?:access|refresh|jwt|pin|otp|iban|bic|pan|cvc|cvv|card(?:_?number)?|signed|signature|e?mail)(?:$|_)"
    r"|database_url|broker_url|redis_url|email_url|dsn"
)
# Counts and kinds of such things are no secrets.
_HARMLESS_NAME = re.compile(r"(?:^|_)(?:count|total|kind|type|state|minutes|seconds|id)$")

# Every pattern is linear in the text, whatever is in it: what is logged may be of an attacker's making.
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.S)
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{5,}+\.[\w-]++(?:\.[\w-]*+)?")
_SCHEME = re.compile(r"\b(bearer|basic|negotiate)\s{1,4}[\w.~+/=-]{6,}+", re.IGNORECASE)
_COOKIES = re.compile(r"\b((?:set-)?cookie[\"']?\s{0,4}[=:]\s{0,4})[^\r\n\"]++", re.IGNORECASE)
_LOGIN_OF_URL = re.compile(r"(://)[^\s/@:]{0,256}:[^\s/]{0,512}(?=@)")
_WORDS = (
    "passw", "passphrase", "secret", "token", "api_key", "api-key", "apikey", "authorization", "cookie",
    "otp", "access", "refresh", "code", "state", "signature",
)  # fmt: skip
_ASSIGNED = re.compile(
    r"((?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|authorization|cookie|otp)[\w-]{0,40}"
    r"|\b(?:access|refresh)|(?<=[?&])(?:code|state|session_state|signature))"
    r"([\"']?\s{0,4}(?:=>|[=:])\s{0,4})(?!\[redacted)"
    r"(?:\"(?:[^\"\\]|\\.)*+\"?|'(?:[^'\\]|\\.)*+'?|[^\s,;&)}\]]++)",
    re.IGNORECASE,
)
_OF_ADDRESS = r"\w.!#$'*+^`{|}~-"
_ADDRESS = re.compile(
    rf"(?<![{_OF_ADDRESS}])[{_OF_ADDRESS}]++(@|%40)(?=[\w-]{{1,63}}\.[\w-])", re.IGNORECASE
)
_IBAN = re.compile(
    r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?!\w)", re.IGNORECASE
)
_CARD = re.compile(r"(?<![\w.-])[2-6]\d{3}(?:[ -]?\d{2,6}){2,5}(?![\w-])")
_DIGITS = re.compile(r"\d{4}[ -]?\w{4}|[A-Za-z]{2}\d{2}[ -]?\w{4}")


def redact(name: str, value: Any) -> Any:
    """What may be shown of a field."""
    return _redacted(name, value, _DEEPEST)


def in_text(text: str) -> str:
    """The text without what looks like a secret, a person's address or an account number."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} [cut]"
    lowered = text.lower()
    if "private key" in lowered:
        text = _KEY_BLOCK.sub(REPLACED, text)
    if "eyj" in lowered:
        text = _JWT.sub(REPLACED, text)
    if "bearer" in lowered or "basic" in lowered or "negotiate" in lowered:
        text = _SCHEME.sub(rf"\1 {REPLACED}", text)
    if "cookie" in lowered:
        text = _COOKIES.sub(rf"\1{REPLACED}", text)
    if any(word in lowered for word in _WORDS):
        text = _ASSIGNED.sub(rf"\1\2{REPLACED}", text)
    if "@" in lowered or "%40" in lowered:
        text = _LOGIN_OF_URL.sub(rf"\1{REPLACED}", text)
        text = _ADDRESS.sub(rf"{REPLACED}\1", text)
    if _DIGITS.search(lowered):
        text = _IBAN.sub(_without_account, text)
        text = _CARD.sub(_without_card, text)
    return text


def is_secret(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return bool(_SECRET_NAME.search(plain)) and not _HARMLESS_NAME.search(plain)


def _redacted(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if is_secret(name):
        return REPLACED
    match value:
        case str():
            return in_text(value)
        case int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)  # JSON has no such numbers
        case Mapping() if depth:
            return {
                in_text(str(key)): _redacted(str(key), inner, depth - 1)
                for key, inner in value.items()
            }
        case list() | tuple() | set() | frozenset() if depth:
            return [_redacted("", inner, depth - 1) for inner in value]
    # Whatever else prints itself as it likes.
    return in_text(str(value))


def _without_account(found: "re.Match[str]") -> str:
    plain = re.sub(r"[ -]", "", found[0]).upper()
    digits = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
    return REPLACED if int(digits) % 97 == 1 else found[0]


def _without_card(found: "re.Match[str]") -> str:
    digits = [int(character) for character in found[0] if character.isdigit()]
    if not 13 <= len(digits) <= 19:
        return found[0]
    doubled = [
        sum(divmod(digit * 2, 10)) if place % 2 else digit
        for place, digit in enumerate(reversed(digits))
    ]
    return REPLACED if sum(doubled) % 10 == 0 else found[0]
