"""The document and its pages over HTTP: each host has its own, and nothing is loaded from elsewhere."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from shared_apps.core.context import TenantIdentity
from tests.client import Api

ApiFactory = Callable[..., Api]


def test_each_host_describes_what_it_answers(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    documents = [api(tenant).get("schema/").json() for tenant in (acme, globex, None)]

    # Nothing of a tenant in it.
    assert documents[0] == documents[1]
    assert "/api/v1/invoices/" in documents[0]["paths"]
    assert "/api/v1/operator/tenants/" not in documents[0]["paths"]
    assert "/api/v1/operator/tenants/" in documents[2]["paths"]
    assert "/api/v1/invoices/" not in documents[2]["paths"]
    # An address without its slash is the same address.
    assert not [path for path in documents[0]["paths"] if f"{path}/" in documents[0]["paths"]]


def test_its_format_is_the_one_that_is_asked_for(acme: TenantIdentity, api: ApiFactory) -> None:
    client = api(acme)
    as_json = client.get("schema/", format="json")
    as_yaml = client.get("schema", format="yaml")

    assert as_json["Content-Type"] == "application/json; charset=utf-8"
    assert as_yaml["Content-Type"] == "application/yaml; charset=utf-8"
    assert yaml.safe_load(as_yaml.content) == as_json.json()
    client.headers = {"accept": "application/vnd.oai.openapi;q=0.9, application/yaml"}
    assert client.get("schema/")["Content-Type"] == "application/yaml; charset=utf-8"
    assert client.get("schema/", format="xml").status_code == 400
    client.headers = {"if-none-match": as_json["ETag"]}
    unchanged = client.get("schema/", format="json")
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("page", ["docs/", "redoc", "docs", "redoc/"])
def test_a_page_loads_from_its_own_host_alone(
    acme: TenantIdentity, api: ApiFactory, page: str
) -> None:
    for client in (api(acme), api(None)):
        client.headers = {"accept": "text/html"}
        shown = client.get(page)

        assert (shown.status_code, shown["Content-Type"]) == (200, "text/html; charset=utf-8")
        policy = shown["Content-Security-Policy"]
        assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'"} <= set(
            policy.split("; ")
        )
        assert "frame-ancestors 'none'" in policy
        text = shown.content.decode()
        assert not re.search(r"<script>|<style|https?:|\son\w+=", text)
        sources = re.findall(r"(?:src|href|data-schema)=\"(/[^\"]+)\"", text)
        assert len(sources) >= 4
        assert [client.get(source).status_code for source in sources] == [200] * len(sources)


def test_no_other_file_is_an_asset(acme: TenantIdentity, api: ApiFactory) -> None:
    for name in ("redoc.standalone.js.map", "..%2f..%2fviews.py", "%2e%2e", "x" * 300):
        assert api(acme).get(f"docs/assets/{name}").status_code == 404, name


def test_the_document_can_ask_for_a_sign_in(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, settings: Any
) -> None:
    settings.API_DOCS_NEED_SIGN_IN = True
    stranger, viewer = api(acme), api(acme, "viewer")
    elsewhere = api(globex)
    elsewhere.headers = viewer.headers

    for page in ("schema/", "docs/", "redoc/"):
        refused = stranger.get(page)
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
        assert viewer.get(page).status_code == 200
        assert elsewhere.get(page).status_code == 401
    asset = stranger.get("docs/assets/swagger.js")
    assert (asset.status_code, b"SwaggerUI" in asset.content) == (200, True)


def test_where_it_is_open_a_token_that_is_no_longer_good_changes_nothing(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    client = api(acme)
    client.headers = {"authorization": "Bearer of.yester.day"}

    assert client.get("schema/").status_code == 200
