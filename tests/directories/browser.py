"""Somebody at a browser who signs in at their organisation's own page."""

from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from tests.client import Api
from tests.directories.oidc_provider import CALLBACK, OidcPerson


class Browser:
    """Its cookies of the product are those of `api`; those of the provider its own."""

    def __init__(self, api: Api) -> None:
        self.api = api
        # No connection is left open, so there is none to close.
        self.provider = httpx.Client(
            trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    def begin(self, **query: str) -> Any:
        return self.api.get("auth/oidc/start/", **query)

    def authorize_url(self, **query: str) -> str:
        response = self.begin(**query)
        assert response.status_code == 200, response.content
        return str(response.json()["authorize_url"])

    def sign_in_at_provider(self, authorize_url: str, person: OidcPerson) -> str:
        """Follow every redirect and fill the form, up to where the provider sends the browser back to."""
        page = self._until_page(authorize_url)
        if isinstance(page, str):
            return page
        form = {"username": person.username, "password": person.password}
        answer = self.provider.post(page.url, data=form)
        back = self._until_page(urljoin(str(page.url), answer.headers["location"]))
        assert isinstance(back, str), back.text
        return back

    def come_back(self, address: str) -> Any:
        parts = urlsplit(address)
        return self.api.get(f"{parts.path}?{parts.query}")

    def fetch_tokens(self, response: Any) -> Any:
        """As the page does that it was sent to."""
        return self.api.post("auth/oidc/token/", {"code": code_in(response)})

    def sign_in(self, person: OidcPerson, **query: str) -> Any:
        back = self.sign_in_at_provider(self.authorize_url(**query), person)
        response = self.come_back(back)
        return self.fetch_tokens(response) if response.status_code == 302 else response

    def _until_page(self, url: str) -> httpx.Response | str:
        while True:
            response = self.provider.get(url)
            if "location" not in response.headers:
                return response
            url = urljoin(url, response.headers["location"])
            if urlsplit(url).path == CALLBACK:
                return url


def code_in(response: Any) -> str:
    return parse_qs(urlsplit(response["Location"]).fragment)["sign_in_code"][0]
