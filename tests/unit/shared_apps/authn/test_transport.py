"""A question to a provider over a connection that broke is asked again; what changes something is not."""

import itertools
import socket

import pytest

from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.authn.oidc import transport
from tests.directories import listeners

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n{"a": 1}'


def _answers_from(first: int) -> listeners.Talk:
    """Those before it are cut off."""
    numbers = itertools.count(1)

    def talk(client: socket.socket) -> None:
        number = next(numbers)
        client.recv(65536)
        if number >= first:
            client.sendall(_ANSWER)

    return talk


def test_a_question_is_asked_again() -> None:
    with listeners.listening(_answers_from(2)) as provider:
        answer = transport.get(f"http://127.0.0.1:{provider.port}/keys")
        assert (answer.status, answer.body, provider.connections) == (200, {"a": 1}, 2)


def test_and_no_third_time() -> None:
    with listeners.listening(_answers_from(3)) as provider:
        with pytest.raises(BackendUnavailableError):
            transport.get(f"http://127.0.0.1:{provider.port}/keys")
        assert provider.connections == 2


def test_a_code_is_sent_once() -> None:
    with listeners.listening(_answers_from(2)) as provider:
        with pytest.raises(BackendUnavailableError):
            transport.post_form(f"http://127.0.0.1:{provider.port}/token", {"code": "c"})
        assert provider.connections == 1
