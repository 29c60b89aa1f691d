"""Bodies and methods of a plain viewset."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from shared_apps.core.context import TenantIdentity
from tests.client import Api


@pytest.fixture
def path(plain: Api) -> str:
    made = plain.post("bare/", {"name": "Nordwind", "email": "a@b.example"})
    assert made.status_code == 201, made.content
    return f"bare/{made.json()['id']}/"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"colour": "red"}, {"colour": ["Unknown field."]}),
        ({"created_by": str(uuid4())}, {"created_by": ["Unknown field."]}),
        ({"id": str(uuid4())}, {"id": ["This field is read-only."]}),
        (
            {"created_at": "2026-01-01T00:00:00Z", "name": "x"},
            {"created_at": ["This field is read-only."]},
        ),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(
    plain: Api, path: str, body: dict[str, Any], wrong: dict[str, list[str]]
) -> None:
    before = plain.get(path).json()

    for answer in (
        plain.post("bare/", {"name": "x", **body}),
        plain.patch(path, body),
        plain.put(path, {"name": "x", "email": "", **body}),
    ):
        assert (answer.status_code, answer.json()["details"]) == (400, wrong)
    assert plain.get("bare/").json()["results"] == [before]


def test_put_sends_every_field(plain: Api, path: str) -> None:
    partial = plain.put(path, {"name": "Südwind"})
    whole = plain.put(path, {"name": "Südwind", "email": ""})

    assert partial.status_code == 400
    assert partial.json()["details"] == {"email": ["This field is required."]}
    assert (whole.status_code, whole.json()["name"], whole.json()["email"]) == (200, "Südwind", "")


def test_another_tenant_has_none_of_it(
    plain: Api, path: str, api: Callable[..., Api], globex: TenantIdentity
) -> None:
    stranger = api(globex, "editor")

    answers = [
        stranger.get(path),
        stranger.patch(path, {"name": "x"}),
        stranger.put(path, {"name": "x", "email": ""}),
        stranger.delete(path),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert plain.get(path).json()["name"] == "Nordwind"
    assert plain.delete(path).status_code == 204


def test_the_table_of_methods(plain: Api, path: str) -> None:
    def ask(method: str, address: str, **headers: str) -> Any:
        return plain.http.generic(
            method, f"/api/v1/{address}", '{"name": "x"}',
            content_type=headers.pop("type", "application/json"),
            headers={"host": plain.host, **plain.headers, **headers},
        )  # fmt: skip

    listed, one = ask("DELETE", "bare/"), ask("POST", path)
    assert (listed.status_code, listed["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    assert (one.status_code, one["Allow"]) == (405, "GET, PUT, PATCH, DELETE, HEAD, OPTIONS")
    assert ask("TRACE", path).status_code in (403, 405)
    assert ask("POST", "bare/", type="text/xml").status_code == 415
    assert ask("POST", "bare/", type="multipart/form-data; boundary=x").status_code == 415
    assert ask("GET", path, accept="text/csv").status_code == 406
    head = ask("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert (ask("OPTIONS", path).status_code, ask("OPTIONS", "bare/").status_code) == (200, 200)
    for refused in (listed, ask("POST", "bare/", type="text/xml")):
        assert refused["Content-Type"] == "application/problem+json"


def test_what_is_no_key_is_not_there(plain: Api, path: str) -> None:
    assert plain.get("bare/not-a-key/").status_code == 404
    assert plain.get(f"bare/{uuid4()}/").status_code == 404
