"""Secrets as helm's storage sends them: Kubernetes' protobuf, of which only a Secret's own fields are read."""

from collections.abc import Iterator
from typing import Any

MAGIC = b"k8s\x00"


def decode_secret(body: bytes) -> dict[str, Any]:
    """The envelope `runtime.Unknown`, and the Secret in it, as JSON would have it (data in base64)."""
    from base64 import b64encode

    if not body.startswith(MAGIC):
        raise ValueError("is not Kubernetes' protobuf")
    envelope = dict(_fields(body[len(MAGIC) :]))
    secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {}}
    for number, value in _fields(envelope[2]):
        match number:
            case 1:
                secret["metadata"] = _metadata(value)
            case 2:
                name, content = _entry(value)
                secret["data"][name.decode()] = b64encode(content).decode()
            case 3:
                secret["type"] = value.decode()
    return secret


def _metadata(message: bytes) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    names = {1: "name", 3: "namespace", 5: "uid", 6: "resourceVersion"}
    for number, value in _fields(message):
        if number in names and value:
            metadata[names[number]] = value.decode()
        elif number in (11, 12):
            kind = "labels" if number == 11 else "annotations"
            key, content = _entry(value)
            metadata.setdefault(kind, {})[key.decode()] = content.decode()
    return metadata


def _entry(message: bytes) -> tuple[bytes, bytes]:
    fields = dict(_fields(message))
    return fields.get(1, b""), fields.get(2, b"")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field that has bytes; numbers among them are passed over."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        match key & 7:
            case 0:
                _, position = _varint(message, position)
            case 1:
                position += 8
            case 5:
                position += 4
            case 2:
                length, position = _varint(message, position)
                yield key >> 3, message[position : position + length]
                position += length
            case kind:
                raise ValueError(f"has a field of the kind {kind}")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7
