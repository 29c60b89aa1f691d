"""Search filters (RFC 4511, 4515) as they are sent. Values are put in as they are: nothing in them needs to be escaped."""

import re

from shared_apps.authn.backends.ldap import ber

_ATTRIBUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*")
_EXTENSIBLE = re.compile(r"([^:]*)(:dn)?(?::([A-Za-z0-9.-]+))?:", re.IGNORECASE)
_DEEPEST = 20
_COMPARISONS = {"": 0xA3, ">": 0xA5, "<": 0xA6, "~": 0xA8}
_COMBINATIONS = {"&": 0xA0, "|": 0xA1}


class FilterError(Exception):
    """Not a filter. The text says where."""


def equals(attribute: str, value: str) -> bytes:
    return ber.encode(0xA3, _described(attribute), ber.encode(ber.OCTETS, value.encode()))


def equals_octets(attribute: str, value: bytes) -> bytes:
    return ber.encode(0xA3, _described(attribute), ber.encode(ber.OCTETS, value))


def matches(attribute: str, rule: str, value: str) -> bytes:
    """By a rule that is not the attribute's own, as `member:1.2.840.113556.1.4.1941:=…`."""
    return ber.encode(
        0xA9,
        ber.encode(0x81, rule.encode()),
        ber.encode(0x82, _checked(attribute).encode()),
        ber.encode(0x83, value.encode()),
    )


def present(attribute: str) -> bytes:
    return ber.encode(0x87, _checked(attribute).encode())


def all_of(*filters: bytes) -> bytes:
    return ber.encode(0xA0, *filters)


def any_of(*filters: bytes) -> bytes:
    return ber.encode(0xA1, *filters)


def parse(text: str) -> bytes:
    """A filter as operators write it, `(&(objectClass=person)(!(employeeType=guest)))`. Raises FilterError."""
    parsed, end = _parse(text.strip(), 0, _DEEPEST)
    if end != len(text.strip()):
        raise FilterError(f"the filter goes on after its end, at {end}")
    return parsed


def _parse(text: str, start: int, depth: int) -> tuple[bytes, int]:
    if depth == 0:
        raise FilterError("the filter is nested too deeply")
    if text[start : start + 1] != "(":
        raise FilterError(f"the filter needs a ( at {start}")
    sign = text[start + 1 : start + 2]
    if sign in ("&", "|", "!"):
        return _parse_combination(text, start, sign, depth)
    end = text.find(")", start)
    if end < 0 or "(" in text[start + 1 : end]:
        raise FilterError(f"the filter needs a ) after {start}")
    return _item(text[start + 1 : end]), end + 1


def _parse_combination(text: str, start: int, sign: str, depth: int) -> tuple[bytes, int]:
    inner, end = [], start + 2
    while text[end : end + 1] == "(":
        part, end = _parse(text, end, depth - 1)
        inner.append(part)
    if text[end : end + 1] != ")" or not inner or (sign == "!" and len(inner) != 1):
        raise FilterError(f"what {sign} combines, at {start}, is not right")
    return ber.encode(_COMBINATIONS.get(sign, 0xA2), *inner), end + 1


def _item(text: str) -> bytes:
    left, equal, value = text.partition("=")
    if not equal:
        raise FilterError(f"({text}) compares nothing")
    if left.endswith(":"):
        return _extensible(left, value)
    sign = left[-1:] if left[-1:] in (">", "<", "~") else ""
    attribute = left.removesuffix(sign)
    if not sign and value == "*":
        return present(attribute)
    if not sign and "*" in value:
        return _substrings(attribute, value)
    return ber.encode(
        _COMPARISONS[sign], _described(attribute), ber.encode(ber.OCTETS, _unescaped(value))
    )


def _extensible(left: str, value: str) -> bytes:
    parts = _EXTENSIBLE.fullmatch(left)
    if parts is None or not (parts[1] or parts[3]):
        raise FilterError(f"({left}=…) is no comparison")
    return ber.encode(
        0xA9,
        ber.encode(0x81, parts[3].encode()) if parts[3] else b"",
        ber.encode(0x82, _checked(parts[1]).encode()) if parts[1] else b"",
        ber.encode(0x83, _unescaped(value)),
        ber.encode(0x84, b"\xff") if parts[2] else b"",
    )


def _substrings(attribute: str, value: str) -> bytes:
    first, *middle, last = value.split("*")
    pieces = [(0x80, first), *((0x81, piece) for piece in middle), (0x82, last)]
    return ber.encode(
        0xA4,
        _described(attribute),
        ber.encode(
            ber.SEQUENCE, *(ber.encode(tag, _unescaped(piece)) for tag, piece in pieces if piece)
        ),
    )


def _described(attribute: str) -> bytes:
    return ber.encode(ber.OCTETS, _checked(attribute).encode())


def _checked(attribute: str) -> str:
    if not _ATTRIBUTE.fullmatch(attribute):
        raise FilterError(f"{attribute!r} is no attribute")
    return attribute


def _unescaped(value: str) -> bytes:
    first, *escaped = value.encode().split(b"\\")
    try:
        return first + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in escaped)
    except ValueError:
        raise FilterError(f"{value!r} holds a \\ without two hexadecimal digits") from None
