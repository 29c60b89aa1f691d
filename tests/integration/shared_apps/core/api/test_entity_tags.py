"""Entity tags: what is shown, what may be changed, and what two who change the same row get."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from shared_apps.core.context import TenantIdentity
from tests.client import Api


def send(client: Api, method: str, path: str, body: str = "", **headers: str) -> Any:
    return client.http.generic(
        method, f"/api/{client.version}/{path}", body, content_type="application/json",
        headers={"host": client.host, **client.headers, **headers},
    )  # fmt: skip


def make(client: Api, prefix: str) -> tuple[str, str]:
    """The path of a new row, and its tag."""
    body = {"name": "Nordwind", "email": ""} if prefix != "vendors/" else {"name": "Nordwind"}
    made = client.post(prefix, body)
    assert made.status_code == 201, made.content
    return f"{prefix}{made.json()['id']}/", made["ETag"]


@pytest.fixture(params=["plain viewset", "services"])
def row(request: Any, acme: TenantIdentity, api: Callable[..., Api]) -> tuple[Api, str, str]:
    """A client, and the path and tag of a row: by a plain viewset, and by one that calls services."""
    if request.param == "services":
        client = api(acme, "editor")
        return client, *make(client, "vendors/")
    client = request.getfixturevalue("plain")
    return client, *make(client, "bare/")


def test_a_tag_is_that_of_every_answer_with_the_row(row: tuple[Api, str, str]) -> None:
    client, path, tag = row

    read, head = send(client, "GET", path), send(client, "HEAD", path)
    changed = send(client, "PATCH", path, '{"name": "Südwind"}', if_match=tag)
    again = send(client, "GET", path)

    assert tag.startswith('"1-')
    assert (read["ETag"], head["ETag"]) == (tag, tag)
    assert (changed.status_code, changed["ETag"][:3]) == (200, '"2-')
    assert again["ETag"] == changed["ETag"]
    assert "ETag" not in send(client, "GET", path.split("/")[0] + "/")
    assert "ETag" not in send(client, "GET", f"{path.split('/')[0]}/{uuid4()}/")


def test_what_is_known_already_is_not_sent_again(row: tuple[Api, str, str]) -> None:
    client, path, tag = row

    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = send(client, "GET", path, if_none_match=known)
        assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
        assert answer["X-Request-ID"]
    for other in ('"1"', '"1-00"', tag.strip('"'), ""):
        assert send(client, "GET", path, if_none_match=other).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_meant_for_another_version_is_refused(
    row: tuple[Api, str, str], method: str
) -> None:
    client, path, tag = row
    send(client, "PATCH", path, '{"name": "Südwind"}')
    before = send(client, "GET", path).json()

    for old in (tag, '"1"', '"7-aa"', f"W/{tag}", '"x"', '"1", "7"'):
        answer = send(client, method, path, '{"name": "x"}', if_match=old)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    for nonsense in ("2", '"2', '"2" "1"', "", ","):
        assert send(client, method, path, '{"name": "x"}', if_match=nonsense).status_code == 400
    assert send(client, "GET", path).json() == before
    allowed = send(client, method, path, '{"name": "x"}', if_match='"1-ab", "2"')
    assert allowed.status_code == (204 if method == "DELETE" else 200)


def test_a_star_is_any_version_of_what_is_there(row: tuple[Api, str, str]) -> None:
    client, path, _ = row

    assert send(client, "PATCH", path, '{"name": "x"}', if_match="*").status_code == 200
    gone = f"{path.split('/')[0]}/{uuid4()}/"
    assert send(client, "PATCH", gone, '{"name": "x"}', if_match="*").status_code == 404


def test_where_it_is_required_a_change_without_it_is_refused(plain: Api) -> None:
    path, tag = make(plain, "guarded/")

    for method in ("PUT", "PATCH", "DELETE"):
        answer = send(plain, method, path, '{"name": "x", "email": ""}')
        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
    assert send(plain, "GET", path).json()["name"] == "Nordwind"
    assert send(plain, "PATCH", path, '{"name": "x"}', if_match=tag).status_code == 200


def test_an_action_of_ones_own_asks_for_the_version_too(plain: Api) -> None:
    path, tag = make(plain, "acting/")

    renamed = send(plain, "POST", f"{path}rename/", if_match=tag)
    late = send(plain, "POST", f"{path}rename", if_match=tag)

    assert (renamed.status_code, renamed.json()["name"]) == (200, "renamed")
    assert (renamed["ETag"][:3], late.status_code) == ('"2-', 412)


def test_of_eight_who_change_the_same_version_one_does(row: tuple[Api, str, str]) -> None:
    client, path, tag = row

    def change(number: int) -> tuple[int, int]:
        try:
            body = f'{{"name": "by {number}"}}'
            return send(client, "PATCH", path, body, if_match=tag).status_code, number
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(change, range(8)))

    (winner,) = [number for status, number in answers if status == 200]
    assert sorted(status for status, _ in answers) == [200] + [412] * 7
    last = send(client, "GET", path)
    assert (last.json()["name"], last["ETag"][:3]) == (f"by {winner}", '"2-')


def test_a_tag_tells_what_is_shown_apart_though_the_row_did_not_change(
    api: Callable[..., Api], acme: TenantIdentity
) -> None:
    client = api(acme, "editor")
    vendor, _ = make(client, "vendors/")
    draft = client.post("invoices/", {"vendor": vendor.split("/")[1]})
    path = f"invoices/{draft.json()['id']}/"
    client.patch(vendor, {"name": "Südwind"})

    renamed = send(client, "GET", path, if_none_match=draft["ETag"])

    assert (renamed.status_code, renamed.json()["vendor_name"]) == (200, "Südwind")
    assert renamed["ETag"] != draft["ETag"]
    # Of the invoice itself it is the same version, so it may be changed.
    changed = send(client, "PATCH", path, '{"currency": "USD"}', if_match=draft["ETag"])
    assert (changed.status_code, changed["ETag"][:3]) == (200, '"2-')
    late = send(client, "POST", f"{path}issue/", if_match=draft["ETag"])
    assert (late.status_code, send(client, "GET", path).json()["status"]) == (412, "DRAFT")
