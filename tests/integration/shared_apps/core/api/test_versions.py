"""Two live versions: what each says, what differs, what has ended."""

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from shared_apps.core.api.versions import ApiVersion, ApiVersions
from shared_apps.core.context import TenantIdentity
from tests.client import Api

MakeApi = Callable[..., Api]
NEWS = ("Deprecation", "Sunset", "Link")


def raw(client: Api, method: str, path: str, **headers: str) -> Any:
    return client.http.generic(
        method, path, "{}", content_type="application/json",
        headers={"host": client.host, **client.headers, **headers},
    )  # fmt: skip


@pytest.fixture
def editor(api: MakeApi, acme: TenantIdentity) -> Api:
    return api(acme, "editor")


def draft_of(client: Api) -> str:
    vendor = client.post("vendors/", {"name": "Nordwind"}).json()["id"]
    items = [{"description": "Work", "quantity": "2", "unit_price": "10.505", "tax_rate": "0.19"}]
    return str(client.post("invoices/", {"vendor": vendor, "items": items}).json()["id"])


def test_every_answer_of_v1_says_when_it_ends(editor: Api, acme: TenantIdentity) -> None:
    stranger = Api(acme)
    answers = {
        200: raw(editor, "GET", "/api/v1/vendors/"),
        400: raw(editor, "GET", "/api/v1/vendors/?colour=red"),
        401: raw(stranger, "GET", "/api/v1/vendors/"),
        403: raw(editor, "GET", "/api/v1/users/"),
        404: raw(editor, "GET", "/api/v1/nothing/%3Cb%3E%0A"),
        405: raw(editor, "DELETE", "/api/v1/vendors/"),
        406: raw(editor, "GET", "/api/v1/vendors/", accept="text/csv"),
    }

    for status, answer in answers.items():
        assert answer.status_code == status
        began = datetime.fromtimestamp(int(answer["Deprecation"].removeprefix("@")), UTC)
        assert parsedate_to_datetime(answer["Sunset"]) >= began
        assert 'rel="successor-version"' in answer["Link"]
    assert answers[200]["Link"] == (
        '</api/v2/vendors/>; rel="successor-version", '
        '</api/v2/docs/>; rel="deprecation"; type="text/html"'
    )
    assert answers[404]["Link"].startswith("</api/v2/nothing/%3Cb%3E%0A>;")


def test_v2_and_what_is_no_api_say_nothing_of_the_kind(editor: Api) -> None:
    for path in ("/api/v2/vendors/", "/api/v2/nothing/", "/api/v2", "/health/live/", "/api/v10/"):
        answer = raw(editor, "GET", path)
        assert [answer.get(name) for name in NEWS] == [None] * 3, path


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v0/vendors/", 410), ("/api/v0", 410), ("/api/v3/vendors/", 404), ("/api/v3", 404),
        ("/api/v01/vendors/", 404), ("/api/v999999999999/vendors/", 404), ("/api/vendors/", 404),
        ("/api/v1vendors/", 404),
    ],
)  # fmt: skip
def test_older_versions_have_ended_and_later_ones_are_not_there(
    editor: Api, path: str, status: int
) -> None:
    answer = raw(editor, "GET", path)

    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer["X-Request-ID"]
    if status == 410:
        assert (answer.json()["code"], answer.json()["details"]) == (
            "api_version_gone", {"successor": "v2"}
        )  # fmt: skip


def test_after_its_end_v1_is_gone_where_that_is_enforced(
    editor: Api, api: MakeApi, globex: TenantIdentity, settings: Any
) -> None:
    path = f"invoices/{draft_of(editor)}/"
    now = datetime.now(UTC)

    def end(at: datetime) -> None:
        old = ApiVersion("v1", deprecated_at=at - timedelta(days=1), sunset_at=at)
        settings.API_VERSIONS = ApiVersions(live=(old, ApiVersion("v2")))

    end(now - timedelta(seconds=1))
    assert editor.get(path).status_code == 200
    settings.API_SUNSET_ENFORCED = True
    for answer in (
        editor.get(path),
        editor.get("nothing/"),
        editor.patch(path, {"currency": "USD"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (410, "api_version_gone")
        assert answer["Sunset"]
    editor.version = "v2"
    assert editor.get(path).json()["currency"] == "EUR"
    assert api(globex).post("/api/v2/auth/login/", {}).status_code == 400
    end(now + timedelta(hours=1))
    editor.version = "v1"
    assert editor.get(path).status_code == 200


def test_an_invoice_differs_as_documented(editor: Api) -> None:
    path = f"invoices/{draft_of(editor)}/"

    first = editor.get(path).json()
    editor.version = "v2"
    second = editor.get(path).json()

    euros = {"currency": "EUR"}
    vendor = {"id": first["vendor"], "name": "Nordwind"}
    assert (first["net"], first["tax"], first["amount"]) == ("21.01", "3.99", "25.00")
    assert second["totals"] == {
        "net": {"amount": "21.01", **euros},
        "tax": {"amount": "3.99", **euros},
        "gross": {"amount": "25.00", **euros},
    }
    assert (first["vendor_name"], second["vendor"]) == ("Nordwind", vendor)
    assert (first["items"][0]["unit_price"], second["items"][0]["unit_price"]) == (
        "10.505", {"amount": "10.505", **euros}
    )  # fmt: skip
    assert set(first) - set(second) == {"vendor_name", "net", "tax", "amount", "year", "number"}
    assert set(second) - set(first) == {"totals", "updated_at", "version"}
    same = set(first) & set(second) - {"vendor", "items"}
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    assert second["version"] == 1


def test_what_is_sent_is_the_same_in_both(editor: Api) -> None:
    editor.version = "v2"
    path = f"invoices/{draft_of(editor)}/"

    changed = editor.patch(path, {"items": [], "currency": "JPY"})
    issued = editor.post(f"{path}issue/")

    assert changed.json()["totals"]["gross"] == {"amount": "0", "currency": "JPY"}
    assert (changed.json()["version"], issued.status_code) == (2, 409)


def test_links_stay_in_their_version(
    editor: Api, system: Any, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    operator = Api(None)
    operator.sign_in("operator@example.com", system.password)
    for version in ("v1", "v2"):
        editor.version = operator.version = version
        for name in ("a", "b", "c"):
            editor.post("vendors/", {"name": name})

        page = editor.get("vendors/?page_size=1&page=2").json()
        run = operator.post("operator/tenants/globex/suspend/", {"reason": "test"})
        operator.post("operator/tenants/globex/resume/", {"reason": "test"})

        for link in (page["next"], page["previous"]):
            assert link.startswith(f"http://acme.localhost/api/{version}/vendors/?")
        assert run.status_code in (200, 202)
        assert run.get("Location", f"/api/{version}/").startswith(f"/api/{version}/")


def test_which_build_answers(editor: Api, settings: Any) -> None:
    settings.COMMIT = "c0ffee"
    text = (settings.BASE_DIR / "pyproject.toml").read_text()
    expected = {
        "version": tomllib.loads(text)["project"]["version"],
        "environment": settings.ENVIRONMENT_NAME,
        "commit": "c0ffee",
    }

    for path in ("/api/v1/version-info/", "/api/v2/version-info", "/api/v2/version/"):
        assert raw(editor, "GET", path).json() == expected


def test_a_plain_viewset_has_a_shape_for_each_version(plain: Api) -> None:
    made = plain.post("shaped/", {"name": "Nordwind", "email": ""}).json()
    plain.version = "v2"
    shown = plain.get(f"shaped/{made['id']}/").json()

    assert (set(made) - set(shown), set(shown) - set(made)) == ({"created_at"}, {"version"})
