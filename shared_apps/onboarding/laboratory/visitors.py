"""HTTP requests through the whole stack, in this process."""

import json
from typing import Any

from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client

from shared_apps.core.errors import UnavailableError
from shared_apps.onboarding.laboratory.subjects import Subject

_LOGIN = "/api/v1/auth/login/"
_JSON = "application/json"


class SignInFailedError(UnavailableError):
    code = "onboarding.laboratory_sign_in"
    message = "The laboratory could not sign in as the administrator that it made."


class Visitor:
    """A tenant's administrator at that tenant's host."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.client = Client(raise_request_exception=False)
        self.token = ""

    def sign_in(self) -> None:
        """Raises SignInFailedError."""
        person = self.subject.administrator
        response = self.send_once(
            "POST", _LOGIN, {"email": person.email, "password": person.password}
        )
        if response.status_code != 200:
            raise SignInFailedError(answer=content_of(response)[:300])
        self.token = response.json()["access"]

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send, and once more after signing in anew when this sign-in was ended by a request."""
        response = self.send_once(method, path, body)
        if response.status_code == 401 and path != _LOGIN:
            self.sign_in()
            response = self.send_once(method, path, body)
        return response

    def send_once(self, method: str, path: str, body: Any) -> Any:
        """Send as whoever is signed in, or as nobody."""
        return self.client.generic(
            method, path, data=_encoded(body), content_type=_JSON, headers=self.headers()
        )

    def headers(self) -> dict[str, str]:
        headers = {"host": self.subject.host}
        return headers | {"authorization": f"Bearer {self.token}"} if self.token else headers

    async def asend(self, path: str) -> Any:
        """GET through the ASGI handler."""
        client = AsyncClient(raise_request_exception=False)
        return await client.get(path, headers=self.headers())


def content_of(response: HttpResponseBase) -> str:
    """Body and headers as text, streamed or not."""
    body = b"".join(response) if response.streaming else getattr(response, "content", b"")
    headers = "\n".join(f"{name}: {value}" for name, value in response.items())
    return f"{headers}\n{body.decode(errors='replace')}"


def _encoded(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()
