"""What a key stands for: whose request it names, and whether another one is the same."""

import hashlib
import json
import re
from typing import Any, Final
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict

from tenant_apps.idempotency.errors import KeyInvalidError

HEADER: Final = "Idempotency-Key"
# A comma is what a server joins two headers of the name with.
_USABLE: Final = re.compile(r"[!#-+\--\[\]-~]{1,255}")


def read(header: str | None) -> str | None:
    """The key of a header, which may stand in quotes (a String of RFC 9651); None: there is none.

    Raises:
        KeyInvalidError: it cannot be one.
    """
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not _USABLE.fullmatch(key):
        raise KeyInvalidError
    return key


def request_digest(*, person: UUID, method: str, path: str, key: str) -> str:
    """The same for both forms of an address, with the slash at its end and without."""
    return _digest([str(person), method, path.rstrip("/"), key])


def fingerprint(*, query: str, content_type: str, data: Any) -> str:
    """Of what was sent, as the view reads it: the order of names and blanks between them mean nothing."""
    kind = (
        content_type.partition(";")[0].strip().lower()
    )  # without the boundary, which is never the same
    return _digest([query, kind, _canonical(data)])


def lock_number(*, schema: str, request: str) -> int:
    """For an advisory lock, whose numbers all tenants share."""
    digest = hashlib.sha256(f"idempotency:{schema}:{request}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _canonical(data: Any) -> Any:
    if isinstance(data, MultiValueDict):
        return sorted((name, [_part(one) for one in values]) for name, values in data.lists())
    return data


def _part(value: Any) -> str:
    if isinstance(value, UploadedFile):
        return f"file {value.name} {_digest_of_file(value)}"
    return f"text {value}"


def _digest_of_file(file: "UploadedFile[bytes]") -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)  # for the view
    return digest.hexdigest()


def _digest(parts: list[Any]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
