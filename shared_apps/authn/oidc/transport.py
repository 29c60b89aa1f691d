"""HTTP to identity providers, bounded in time and size.

Not one of the clients that follow redirects and read proxies from the environment: each of these would
lead away from the address that the installation's settings name.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.core.deadlines import deadline

_SECONDS = 5.0
"""For each read and write."""
_SECONDS_ALTOGETHER = 10.0
"""For a request and its answer, however slowly the bytes come."""
_LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    status: int
    body: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


def get(url: str, *, bearer: str | None = None, seconds: float = _SECONDS_ALTOGETHER) -> Answer:
    """Raises BackendUnavailableError: no answer in that time, or none in JSON."""
    return _exchange("GET", url, None, _headers(bearer), seconds)


def post_form(url: str, fields: Mapping[str, str]) -> Answer:
    """Raises BackendUnavailableError: no answer, or none in JSON."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", **_headers(None)}
    return _exchange("POST", url, urlencode(fields).encode(), headers)


def post_json(url: str, body: Mapping[str, Any], *, bearer: str) -> Answer:
    """Raises BackendUnavailableError: no answer, or none in JSON."""
    headers = {"Content-Type": "application/json", **_headers(bearer)}
    return _exchange("POST", url, json.dumps(body).encode(), headers)


def is_at(url: object, base: str) -> bool:
    """Whether `url` lies at the scheme, host and port of `base`."""
    if not isinstance(url, str):
        return False
    try:
        asked, own = urlsplit(url), urlsplit(base)
        return (asked.scheme, asked.netloc) == (own.scheme, own.netloc)
    except ValueError:
        return False


def _headers(bearer: str | None) -> dict[str, str]:
    given = {"Accept": "application/json", "User-Agent": "Freehold"}
    return {**given, "Authorization": f"Bearer {bearer}"} if bearer else given


def _exchange(
    method: str, url: str, body: bytes | None, headers: dict[str, str],
    seconds: float = _SECONDS_ALTOGETHER,
) -> Answer:  # fmt: skip
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection = kind(parts.netloc, timeout=_SECONDS)
    try:
        connection.connect()
        with deadline(connection.sock, seconds) as is_late:
            connection.request(method, path, body, headers)
            # It keeps the socket of an answer without a length, and closes it by itself at its end only.
            with connection.getresponse() as response:
                content = response.read(_LARGEST + 1)
                # A read of so many bytes does not say that fewer came than were announced.
                is_whole = not response.length and len(content) <= _LARGEST
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BackendUnavailableError(f"{parts.netloc}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if is_late.is_set() or not is_whole:
        # What was cut off may read like an answer.
        raise BackendUnavailableError(f"{parts.netloc} answers too slowly or too much")
    return Answer(status=response.status, body=_parsed(content, parts.netloc))


def _parsed(content: bytes, host: str) -> Mapping[str, Any]:
    if not content:
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise BackendUnavailableError(f"{host} does not answer in JSON") from None
    if not isinstance(body, dict):
        raise BackendUnavailableError(f"{host} does not answer with a JSON object")
    return body
