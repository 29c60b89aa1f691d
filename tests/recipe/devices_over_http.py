"""What the app of docs/how-to/add-an-app.md does over HTTP. Run by test_add_an_app.py, in the tree that has it."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared_apps.core.context import TenantIdentity
from tests.contract.fuzzing import Target, fuzz
from tests.installation import PASSWORD, Installation
from tests.server import Server, serving

VERSIONS = ("v1", "v2")
Visitor = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def visit(server: Server) -> Iterator[Visitor]:
    opened: list[httpx.Client] = []

    def sign_in(tenant: TenantIdentity, role: str, version: str = "v1") -> httpx.Client:
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{server.port}/api/{version}/",
            headers={"host": server.host(tenant)}, timeout=30, trust_env=False,
        )  # fmt: skip
        opened.append(client)
        body = {"email": f"{role}@{tenant.slug}.example", "password": PASSWORD}
        answer = client.post("auth/login/", json=body)
        assert answer.status_code == 200, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['access']}"
        return client

    yield sign_in
    for client in opened:
        client.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_editor_makes_reads_changes_and_deletes(
    visit: Visitor, acme: TenantIdentity, globex: TenantIdentity, version: str
) -> None:
    editor, other = visit(acme, "editor", version), visit(globex, "editor", version)

    made = editor.post("devices/", json={"name": "Zebra", "price": "10.50", "kind": "PHONE"})
    assert made.status_code == 201, made.text
    device = made.json()
    assert (device["name"], device["price"], device["version"]) == ("Zebra", "10.50", 1)
    assert ("Deprecation" in made.headers) == (version == "v1")
    assert editor.post("devices/", json={"name": "Ape"}).status_code == 201

    listed = editor.get("devices/", params={"ordering": "name", "page_size": 1}).json()
    assert (listed["count"], [row["name"] for row in listed["results"]]) == (2, ["Ape"])
    assert editor.get("devices", params={"kind": "PHONE"}).json()["results"] == [device]
    assert editor.get("devices/", params={"search": "zeb"}).json()["results"] == [device]
    assert editor.get("devices/", params={"color": "red"}).status_code == 400

    changed = editor.patch(f"devices/{device['id']}/", json={"is_lent": True})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert editor.put(f"devices/{device['id']}/", json={"name": "x"}).status_code == 400

    assert other.get("devices/").json()["results"] == []
    for method in ("GET", "PATCH", "DELETE"):
        answer = other.request(method, f"devices/{device['id']}/", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    assert editor.delete(f"devices/{device['id']}/").status_code == 204
    assert editor.get(f"devices/{device['id']}/").status_code == 404


def test_a_viewer_reads_and_changes_nothing(visit: Visitor, acme: TenantIdentity) -> None:
    device = visit(acme, "editor").post("devices/", json={"name": "Zebra"}).json()
    viewer = visit(acme, "viewer")

    assert viewer.get(f"devices/{device['id']}/").json() == device
    for method, path in (
        ("POST", "devices/"),
        ("PUT", f"devices/{device['id']}/"),
        ("PATCH", f"devices/{device['id']}/"),
        ("DELETE", f"devices/{device['id']}/"),
    ):
        assert viewer.request(method, path, json={"name": "mine"}).status_code == 403
    del viewer.headers["authorization"]
    assert viewer.get("devices/").status_code == 401


def test_a_repeated_request_has_one_effect(
    visit: Visitor, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    editor, key = visit(acme, "editor"), {"Idempotency-Key": str(uuid4())}

    first, again = (editor.post("devices/", json={"name": "one"}, headers=key) for _ in range(2))

    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert editor.get("devices/").json()["count"] == 1
    assert editor.post("devices/", json={"name": "two"}, headers=key).status_code == 422
    elsewhere = visit(globex, "editor").post("devices/", json={"name": "one"}, headers=key)
    assert elsewhere.json()["id"] != first.json()["id"]


def test_a_change_of_what_was_changed_since_is_refused(
    visit: Visitor, acme: TenantIdentity
) -> None:
    editor = visit(acme, "editor")
    path = f"devices/{editor.post('devices/', json={'name': 'one'}).json()['id']}/"
    read = editor.get(path).headers["etag"]

    assert editor.get(path, headers={"If-None-Match": read}).status_code == 304
    known = {"If-Match": read}
    assert editor.patch(path, json={"name": "two"}, headers=known).status_code == 200
    late = editor.patch(path, json={"name": "three"}, headers=known)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert editor.delete(path, headers=known).status_code == 412
    for nothing in ("", "0"):
        answer = editor.patch(path, json={"name": "four"}, headers={"If-Match": nothing})
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_entity_tag")
    assert editor.get(path).json()["name"] == "two"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "version": 7}, "version"),
        ({"name": " "}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x\0"}, "name"),
        ({"name": "x", "kind": "CAR"}, "kind"),
        ({"name": "x", "price": 10.1}, "price"),
        ({"name": "x", "ports": "7"}, "ports"),
        ({"name": "x", "ports": 40_000}, "ports"),
        ({"name": "x", "is_lent": "yes"}, "is_lent"),
        ({"name": "x", "bought_on": "2026-02-30"}, "bought_on"),
        ({}, "name"),
    ],
)
def test_what_is_not_asked_for_is_refused_by_name(
    visit: Visitor, acme: TenantIdentity, body: dict[str, Any], wrong: str
) -> None:
    editor = visit(acme, "editor")

    answer = editor.post("devices/", json=body)

    assert (answer.status_code, list(answer.json()["details"])) == (400, [wrong]), answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert editor.get("devices/").json()["count"] == 0


def test_each_change_is_in_the_trail(
    visit: Visitor, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    editor = visit(acme, "editor")
    device = editor.post("devices/", json={"name": "one"}).json()
    editor.patch(f"devices/{device['id']}/", json={"name": "two"})
    editor.delete(f"devices/{device['id']}/")
    system.relay()

    entries = visit(acme, "admin").get("audit/entries/", params={"record_id": device["id"]})
    said = [(one["operation"], one["diff"]["name"]) for one in entries.json()["results"]]
    assert sorted(said) == [
        ("CREATE", {"old": None, "new": "one"}),
        ("DELETE", {"old": "two", "new": None}),
        ("UPDATE", {"old": "one", "new": "two"}),
    ]
    foreign = visit(globex, "admin").get("audit/entries/", params={"record_id": device["id"]})
    assert foreign.json()["results"] == []


# In sequences of operations it takes some bodies that fit the document for ones that do not.
_EDGES = ("--phases", "coverage,fuzzing", "--max-examples", "8")
_SEQUENCES = (
    "--phases",
    "stateful",
    "--max-examples",
    "12",
    "--mode",
    "positive",
    "--exclude-checks",
    "negative_data_rejection",
)


@pytest.mark.parametrize(
    ("version", "phases"), [("v1", _EDGES), ("v2", _EDGES), ("v2", _SEQUENCES)]
)
def test_the_document_holds(
    visit: Visitor,
    server: Server,
    acme: TenantIdentity,
    globex: TenantIdentity,
    version: str,
    phases: tuple[str, ...],
) -> None:
    foreign = visit(globex, "editor").post("devices/", json={"name": "Only of globex"}).json()
    url, host = f"http://127.0.0.1:{server.port}", server.host(acme)

    done = fuzz(
        target=Target(url, host, "admin@acme.example", PASSWORD),
        foreign=[foreign["id"], "Only of globex"],
        version=version,
        options=[
            *("--include-operation-id-regex", "^devices_", "--seed", "7", "--no-shrink"),
            *phases,
        ],
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert "6 selected" in done.stdout
