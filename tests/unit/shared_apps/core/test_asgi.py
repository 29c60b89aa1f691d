"""What is kept of a body, before anybody knows who sends it."""

import asyncio
from typing import Any

import pytest

from shared_apps.core.asgi import BoundedASGIHandler, bounded

_LIMIT = 100


def _handled(
    chunks: list[bytes], *headers: tuple[bytes, bytes], path: str = "/"
) -> tuple[bytes, Any]:
    """What is kept, and the request made of it."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request"})
    handler = BoundedASGIHandler()

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
    kept = asyncio.run(handler.read_body(bounded(receive, scope)))
    request, refusal = handler.create_request(scope, kept)
    assert (refusal, messages) == (None, [])
    with kept:
        return kept.read(), request


def test_of_a_body_that_is_too_large_one_byte_more_is_kept(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = _LIMIT

    kept, _ = _handled([b"x" * 60] * 1000)

    assert kept == b"x" * (_LIMIT + 1)


@pytest.mark.parametrize(
    ("headers", "path", "length"),
    [
        ([(b"authorization", b"Bearer x")], "/api/v1/invoice-imports/create/", 1001),
        ([(b"cookie", b"x")], "/api/v2/invoice-imports/create", 1001),
        ([], "/api/v1/invoice-imports/create/", _LIMIT + 1),
        ([(b"authorization", b"Bearer x")], "/api/v1/invoice-imports/create/x", _LIMIT + 1),
    ],
)
def test_a_file_may_be_larger_where_files_are_taken_from_whoever_shows_a_token(
    settings: Any, headers: list[tuple[bytes, bytes]], path: str, length: int
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = _LIMIT
    settings.UPLOAD_LIMITS = dict.fromkeys(settings.UPLOAD_LIMITS, 1000)

    kept, _ = _handled([b"x" * 60] * 100, *headers, path=path)

    assert len(kept) == length


@pytest.mark.parametrize(("chunks", "length"), [([], "0"), ([b"{", b"}"], "2")])
def test_a_body_in_chunks_is_as_long_as_it_is(chunks: list[bytes], length: str) -> None:
    kept, request = _handled(chunks, (b"transfer-encoding", b"chunked"))

    assert kept == b"".join(chunks)
    assert request.META["CONTENT_LENGTH"] == length


def test_a_length_that_was_sent_stays() -> None:
    _, request = _handled([b"{}"], (b"content-length", b"2"))

    assert request.META["CONTENT_LENGTH"] == "2"
