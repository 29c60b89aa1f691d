"""Values of a row's JSON text, replaced one by one; every other byte stays as PostgreSQL wrote it.

A sealed value is `{"sealed": "<ids of keys, with commas>:<base64 of nonce and ciphertext>"}`. With several
keys it takes all of them to open it. Without any it is no secret, but a value that looks like a sealed one.
"""

import base64
import hashlib
import json
import re
import secrets
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared_apps.core.sealing import NONCE_LENGTH

ERASED: Final = '{"erased": true}'
"""What readers get for a value whose key is destroyed."""

_SEALED = re.compile(r'\{\s*"sealed"\s*:\s*"([0-9a-f,]*):([A-Za-z0-9+/]*={0,2})"\s*\}')
_MARK: Final = '"sealed"'
# Texts for numbers: they are passed over, and one of 5,000 digits is no reason to stop.
_decoder = json.JSONDecoder(parse_float=str, parse_int=str)
_STRING: Final = r'"((?:[^"\\]*(?:\\.[^"\\]*)*))"'
_MEMBER = re.compile(
    rf'\s*,?\s*{_STRING}\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*"|[^\s",:{{}}\[\]]+)?', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class DataKey:
    id: UUID
    secret: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: nobody can put it elsewhere and have it opened."""

    trail_id: UUID
    uid: UUID
    field: str

    @property
    def as_bytes(self) -> bytes:
        return self.trail_id.bytes + self.uid.bytes + self.field.encode()


def members(text: str) -> Iterator[tuple[str, int, int]]:
    """Each member of an object: its name, and where its value begins and ends."""
    position = text.index("{") + 1
    while found := _MEMBER.match(text, position):
        name, begin, position = found[1], found.start(2), found.end()
        if begin < 0:  # an object or an array
            begin = position
            _, position = _decoder.raw_decode(text, begin)
        yield (_decoder.decode(f'"{name}"') if "\\" in name else name), begin, position


def replaced(text: str, replace: Callable[[str, str], str]) -> str:
    """An object with each value that `replace(name, its text)` gives another text for."""
    parts, kept = [], 0
    for name, begin, end in members(text):
        raw = text[begin:end]
        other = replace(name, raw)
        if other is not raw:
            parts += [text[kept:begin], other]
            kept = end
    return "".join([*parts, text[kept:]]) if parts else text


def may_hold_sealed(text: str | None) -> bool:
    return text is not None and _MARK in text


def looks_sealed(raw: str) -> bool:
    return _SEALED.fullmatch(raw) is not None


def ids_in(text: str) -> set[UUID]:
    """Of every key that something in a text may be sealed with."""
    return {
        UUID(id) for found in _SEALED.finditer(text) for id in found[1].split(",") if len(id) == 32
    }


def seal(raw: str, keys: Sequence[DataKey], place: Place) -> str:
    """A value's text as a sealed one; without keys as one that anybody opens."""
    content = raw.encode()
    if keys:
        nonce = secrets.token_bytes(NONCE_LENGTH)
        content = nonce + _cipher(keys).encrypt(nonce, content, place.as_bytes)
    ids = ",".join(key.id.hex for key in keys)
    return f'{{"sealed": "{ids}:{base64.b64encode(content).decode()}"}}'


def opened(raw: str, keys: Mapping[UUID, DataKey], place: Place) -> str:
    """What was sealed; `ERASED` where a key is gone; anything else as it is."""
    found = _SEALED.fullmatch(raw)
    if found is None:
        return raw
    try:
        ids = [UUID(id) for id in found[1].split(",") if id]
        content = base64.b64decode(found[2], validate=True)
        if not ids:
            return content.decode()
        if any(id not in keys for id in ids):
            return ERASED
        nonce, sealed = content[:NONCE_LENGTH], content[NONCE_LENGTH:]
        cipher = _cipher([keys[id] for id in ids])
        return cipher.decrypt(nonce, sealed, place.as_bytes).decode()
    except (ValueError, Base64Error, InvalidTag):
        # Not as the relay wrote it. `audit verify` says where and what; here it is shown as it stands.
        return raw


def text_of(raw: str) -> str:
    """The text of a string or of a key; of an object or array all of it, as it stands."""
    value: Any = _decoder.decode(raw)
    return value if isinstance(value, str) else raw


def _cipher(keys: Sequence[DataKey]) -> AESGCM:
    if len(keys) == 1:
        return AESGCM(keys[0].secret)
    return AESGCM(hashlib.sha256(b"".join(key.secret for key in keys)).digest())
