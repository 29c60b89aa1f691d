"""What a provider answers costs bounded time and memory, and leads nowhere else."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.authn.oidc import transport

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def provider(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """One that answers each connection so; its address and what it was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    asked.append(connection.recv(65536))
                    answer(connection)
                except OSError:
                    pass  # broken off, as it should be

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(30)


def said(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


def endless(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"\r\n[")
    while True:
        connection.sendall(b"1," * 32768)


def byte_by_byte(connection: socket.socket) -> None:
    connection.sendall(_HEAD)
    while True:
        connection.sendall(b"X-More: 1\r\n")
        threading.Event().wait(0.05)


def cut_off(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"Content-Length: 100\r\n\r\n{}")


@pytest.mark.parametrize(
    "answer",
    [
        endless, byte_by_byte, cut_off, said(b""), said(b"SSH-2.0-x\r\n"), said(_HEAD + b"\r\n<html>"),
        said(_HEAD + b"\r\n[1]"), said(_HEAD + b"\r\n\xff"), said(_HEAD + b"\r\n" + b"[" * 100_000),
    ],
    ids=["endless", "a byte at a time", "cut off", "nothing", "no HTTP", "a page", "a list", "no text", "deep"],
)  # fmt: skip
def test_an_answer_that_is_none(answer: Callable[[socket.socket], None]) -> None:
    with provider(answer) as (url, asked), pytest.raises(BackendUnavailableError) as refused:
        transport.get(f"{url}/keys", seconds=1.0)

    assert len(asked) == 1
    assert refused.value.details == {}


def test_a_redirect_is_not_followed() -> None:
    with provider(said(_HEAD + b"\r\n{}")) as (elsewhere, stolen):
        redirect = (
            f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()
        )
        with provider(said(redirect)) as (url, _):
            answer = transport.get(f"{url}/graph", bearer="secret")

    assert (answer.status, answer.is_good, stolen) == (302, False, [])


@pytest.mark.parametrize(
    ("url", "is_own"),
    [
        ("https://graph.example/v1.0/users?$skip=2", True),
        ("https://graph.example.attacker.example/", False),
        ("https://graph.example@attacker.example/", False),
        ("https://attacker@graph.example/", False),
        ("http://graph.example/", False),
        ("https://graph.example:444/", False),
        ("//graph.example/", False),
        ("https://[graph.example/", False),
        (None, False),
        (7, False),
    ],
)
def test_what_is_at_an_address(url: object, is_own: bool) -> None:
    assert transport.is_at(url, "https://graph.example") is is_own
