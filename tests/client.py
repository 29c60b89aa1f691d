"""A client of the API of one tenant: the whole stack from middleware to database, in this process."""

from typing import Any

from django.test import Client

from shared_apps.core.context import TenantIdentity


class Api:
    """Sends and receives JSON as `Host: <slug>.localhost`; signs in at once when given a role.

    A path without a slash in front is one of the API's `version`.
    """

    def __init__(
        self, tenant: TenantIdentity | None, *, role: str | None = None, password: str | None = None
    ) -> None:
        self.version = "v1"
        self.host = f"{tenant.slug}.localhost" if tenant else "localhost"
        self.http = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        self.tokens: dict[str, Any] = {}
        if role and tenant:
            self.sign_in(f"{role}@{tenant.slug}.example", password or "")

    def sign_in(self, email: str, password: str) -> None:
        response = self.post("auth/login/", {"email": email, "password": password})
        assert response.status_code == 200, response.content
        self.tokens = response.json()
        self.headers = {"authorization": f"Bearer {self.tokens['access']}"}

    def get(self, path: str, **query: Any) -> Any:
        return self._send("get", path, query)

    def post(self, path: str, body: Any = None) -> Any:
        return self._send("post", path, body, content_type="application/json")

    def put(self, path: str, body: Any = None) -> Any:
        return self._send("put", path, body, content_type="application/json")

    def patch(self, path: str, body: Any = None) -> Any:
        return self._send("patch", path, body, content_type="application/json")

    def delete(self, path: str) -> Any:
        return self._send("delete", path, None)

    def options(self, path: str) -> Any:
        return self._send("options", path, "")

    def _send(self, method: str, path: str, data: Any, **options: Any) -> Any:
        address = path if path.startswith("/") else f"/api/{self.version}/{path}"
        send = getattr(self.http, method)
        answer = send(address, data, headers={"host": self.host, **self.headers}, **options)
        if answer.streaming:
            # A stream holds the tenant's place among its requests until it has been read.
            answer.streaming_content = list(answer.streaming_content)
        return answer


def told(response: Any) -> list[tuple[str, str]]:
    """Headers, but for those that count how often somebody has asked, whatever is answered."""
    return sorted(
        (name, value)
        for name, value in response.headers.items()
        if not name.startswith("RateLimit")
    )
