"""What is asked of a directory and what it answers (RFC 4511), without a connection."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from shared_apps.authn.backends.ldap import ber


class Scope(IntEnum):
    BASE = 0
    LEVEL = 1
    SUBTREE = 2


class Code(IntEnum):
    """Results (RFC 4511, A.2) that something is made of."""

    SUCCESS = 0
    TIME_LIMIT_EXCEEDED = 3
    SIZE_LIMIT_EXCEEDED = 4
    STRONGER_AUTH_REQUIRED = 8
    REFERRAL = 10
    CONFIDENTIALITY_REQUIRED = 13
    CONSTRAINT_VIOLATION = 19
    NO_SUCH_OBJECT = 32
    INVALID_CREDENTIALS = 49
    INSUFFICIENT_ACCESS = 50
    BUSY = 51
    UNAVAILABLE = 52
    UNWILLING = 53


@dataclass(frozen=True)
class Answer:
    """How a request ended."""

    code: int
    diagnostic: str
    controls: Mapping[str, bytes]

    def __str__(self) -> str:
        return f"result {self.code}" + (f": {self.diagnostic[:500]}" if self.diagnostic else "")


@dataclass(frozen=True)
class Entry:
    dn: str
    attributes: Mapping[str, Sequence[bytes]] = field(repr=False)
    """By name in lower case."""

    def octets(self, name: str) -> bytes:
        """The first value; empty if there is none."""
        values = self.attributes.get(name.lower(), ())
        return values[0] if values else b""

    def text(self, name: str) -> str:
        return ber.text(self.octets(name))

    def texts(self, name: str) -> list[str]:
        return [ber.text(value) for value in self.attributes.get(name.lower(), ())]


@dataclass(frozen=True)
class Control:
    oid: str
    value: bytes = b""
    is_critical: bool = False

    def encoded(self) -> bytes:
        return ber.encode(
            ber.SEQUENCE,
            ber.encode(ber.OCTETS, self.oid.encode()),
            ber.encode(0x01, b"\xff") if self.is_critical else b"",
            ber.encode(ber.OCTETS, self.value) if self.value else b"",
        )


class Change(IntEnum):
    ADD = 0
    DELETE = 1
    REPLACE = 2


def read_answer(value: bytes, controls: bytes) -> Answer:
    (_, code), (_, _matched), (_, diagnostic), *_ = ber.elements(value)
    return Answer(ber.integer(code), ber.text(diagnostic), dict(_controls(controls)))


def _controls(data: bytes) -> Iterator[tuple[str, bytes]]:
    for tag, value in ber.elements(data):
        if tag != ber.SEQUENCE:
            raise ber.MalformedError("a control is no sequence")
        (_, oid), *rest = ber.elements(value)
        yield ber.text(oid), rest[-1][1] if rest and rest[-1][0] == ber.OCTETS else b""


def read_entry(value: bytes) -> Entry:
    (_, dn), (_, listed) = ber.elements(value)
    attributes = {}
    for _, attribute in ber.elements(listed):
        (_, name), (_, values) = ber.elements(attribute)
        attributes[ber.text(name).lower()] = tuple(octets for _, octets in ber.elements(values))
    return Entry(ber.text(dn), attributes)
