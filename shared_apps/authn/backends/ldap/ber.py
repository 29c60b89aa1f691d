"""Read what a directory sends, which may be anything: definite lengths, inside what was received, nothing recursive.

ldap3's own decoder is not used for it: it recurses as deep as the sender likes, and takes quadratic
time for long integers.
"""

from collections.abc import Iterator

INTEGER, OCTETS, ENUMERATED, SEQUENCE = 0x02, 0x04, 0x0A, 0x30
_LONGEST_INTEGER = 8
_LENGTH_OCTETS = 4
LONGEST_HEADER = 2 + _LENGTH_OCTETS


class MalformedError(Exception):
    """No BER, or none that LDAP allows."""


def header(data: bytes) -> tuple[int, int, int] | None:
    """Tag, octets of the header and of the value; None while more octets are needed to tell."""
    if len(data) < 2:
        return None
    tag, length = data[0], data[1]
    if tag & 0x1F == 0x1F:
        raise MalformedError("a tag of more than one octet")
    if length < 0x80:
        return tag, 2, length
    count = length & 0x7F
    if not 1 <= count <= _LENGTH_OCTETS:
        raise MalformedError("a length that is indefinite or has too many octets")
    if len(data) < 2 + count:
        return None
    return tag, 2 + count, int.from_bytes(data[2 : 2 + count], "big")


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that follow one another in `data`, as tag and value."""
    start = 0
    while start < len(data):
        found = header(data[start : start + LONGEST_HEADER])
        if found is None:
            raise MalformedError("an element is cut off")
        tag, offset, length = found
        end = start + offset + length
        if end > len(data):
            raise MalformedError("an element is longer than what holds it")
        yield tag, data[start + offset : end]
        start = end


def only(data: bytes, tag: int) -> bytes:
    """The value of the one element of this tag that `data` begins with."""
    for found, value in elements(data):
        if found == tag:
            return value
        break
    raise MalformedError(f"no element {tag:#x}")


def integer(value: bytes) -> int:
    if not 1 <= len(value) <= _LONGEST_INTEGER:
        raise MalformedError("an integer without octets, or with too many")
    return int.from_bytes(value, "big", signed=True)


def text(value: bytes) -> str:
    return value.decode(errors="replace")


def encode(tag: int, *values: bytes) -> bytes:
    value = b"".join(values)
    if len(value) < 0x80:
        return bytes((tag, len(value))) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def encode_integer(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
