"""Requests that nobody should send, over real HTTP: each gets a clear refusal and changes nothing."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

from tests.chaos.load import ITEM
from tests.chaos.problems import assert_problem
from tests.chaos.system import System

_LARGE = 50 * 2**20  # bytes
_DEEP = 100_000


@dataclass(frozen=True)
class Bad:
    """A body for `path`, and how it is refused."""

    name: str
    body: bytes
    status: int = 400
    path: str = "invoices/"
    content_type: str = "application/json"


def _invoice(**changes: Any) -> bytes:
    return json.dumps({"vendor": "VENDOR", "currency": "EUR", "items": [ITEM | changes]}).encode()


def _with_price(literal: str) -> bytes:
    return _invoice().replace(b'"10.50"', literal.encode())


_BODIES = [
    Bad("malformed", b'{"vendor":'),
    Bad("empty", b""),
    Bad("no object", b"[1]"),
    Bad("null", b"null"),
    Bad("float money", _with_price("10.5")),
    Bad("13 digits", _with_price('"1234567890123"')),
    Bad("5000 digits", _with_price("1" * 5000)),
    Bad("not a number", _with_price("NaN")),
    Bad("infinity", _with_price("Infinity")),
    Bad("overflow", _with_price("1e400")),
    Bad("NaN as text", _with_price('"NaN"')),
    Bad("exponent", _with_price('"1e5"')),
    Bad("name twice", _with_price('"1.00", "unit_price": "2.00"')),
    Bad("NUL", _invoice(description="a\0b")),
    Bad("lone surrogate", _invoice(description="\ud800")),
    Bad("not UTF-8", b'{"name": "\xff\xfe"}', path="vendors/"),
    Bad("UTF-16", '{"name": "x"}'.encode("utf-16"), path="vendors/"),
    Bad("unknown name", b'{"name": "x", "nmae": "y"}', path="vendors/"),
    Bad("deep arrays", b"[" * _DEEP + b"]" * _DEEP),
    Bad("deep objects", b'{"a":' * _DEEP + b"1" + b"}" * _DEEP),
    Bad("never closed", b"[" * _DEEP),
    Bad("deep items", b'{"vendor":"VENDOR","items":' + b"[" * 900 + b"]" * 900 + b"}"),
    Bad("too many items", json.dumps({"vendor": "VENDOR", "items": [ITEM] * 1001}).encode()),
    Bad("no calendar day", b'{"vendor":"VENDOR","due_date":"9999-99-99"}'),
    Bad("text", b"x", status=415, content_type="text/plain"),
    Bad("form", b"a=b", status=415, content_type="application/x-www-form-urlencoded"),
    Bad("parts", b"x", status=415, content_type="multipart/form-data"),
    Bad("no type", b"{}", status=415, content_type=""),
    Bad("50 MB", b'"' + b"x" * _LARGE + b'"', status=413),
    Bad("50 MB sign-in", b'"' + b"x" * _LARGE + b'"', status=413, path="auth/login/"),
    Bad("wrong password", b'{"email":"editor@acme.example","password":"x"}', 401, "auth/login/"),
    Bad("NUL password", b'{"email":"a\\u0000","password":"\\u0000"}', 401, "auth/login/"),
    Bad("typed password", b'{"email":[],"password":{}}', 400, "auth/login/"),
]


@pytest.fixture(scope="module")
def editor(running: System) -> httpx.Client:
    return running.person("acme", "editor")


@pytest.fixture(scope="module")
def vendor(editor: httpx.Client) -> str:
    return str(editor.post("vendors/", json={"name": "Paper AG"}).json()["id"])


@pytest.fixture
def unchanged(running: System, vendor: str) -> Iterator[None]:
    """Nothing has been written when the test ends."""

    def rows() -> list[tuple[Any, ...]]:
        return running.ask(
            "SELECT (SELECT count(*) FROM t_acme.invoicing_invoice),"
            " (SELECT count(*) FROM t_acme.invoicing_vendor)"
        )

    before = rows()
    yield
    assert rows() == before


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("bad", _BODIES, ids=lambda bad: bad.name)
def test_a_body_is_refused(editor: httpx.Client, vendor: str, bad: Bad) -> None:
    answer = editor.post(
        bad.path,
        content=bad.body.replace(b"VENDOR", vendor.encode()),
        headers={"content-type": bad.content_type},
    )

    assert_problem(answer, bad.status)


@pytest.mark.usefixtures("unchanged")
def test_a_large_body_in_chunks_is_refused(editor: httpx.Client) -> None:
    answer = editor.post(
        "vendors/",
        content=(b"x" * 2**20 for _ in range(50)),
        headers={"content-type": "application/json"},
    )

    assert_problem(answer, 413, "too_large")


def test_a_body_in_chunks_is_read(editor: httpx.Client) -> None:
    answer = editor.post(
        "vendors/",
        content=iter([b'{"name":', b'"In chunks"}']),
        headers={"content-type": "application/json"},
    )

    assert (answer.status_code, answer.json()["name"]) == (201, "In chunks")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "vendors/", 405),
        ("DELETE", "invoices/", 405),
        ("GET", "auth/login/", 405),
        ("BREW", "vendors/", 403),
        ("GET", "nothing/", 404),
        ("GET", "invoices/no-id/", 404),
        ("GET", "invoices/%00/", 404),
        ("GET", "invoices/?page=0", 400),
        ("GET", "invoices/?page=99999999999999999999", 400),
        ("GET", "invoices/?ordering=password", 400),
        ("GET", "invoices/?status=x", 400),
        ("GET", "invoices/?search=%00", 400),
    ],
)
def test_an_address_is_refused(editor: httpx.Client, method: str, path: str, status: int) -> None:
    assert_problem(editor.request(method, path), status)


@pytest.mark.parametrize("size", ["0", "-1", "x", "9" * 30])
def test_a_page_size_that_is_none_is_refused(editor: httpx.Client, size: str) -> None:
    assert editor.get("invoices/", params={"page_size": size}).status_code == 400


def test_an_absurd_page_size_is_bounded(editor: httpx.Client) -> None:
    answer = editor.get("invoices/", params={"page_size": "100000"})

    assert answer.status_code == 200
    assert len(answer.json()["results"]) <= 500


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("nobody.localhost", 404),
        ("acme.localhost.evil.example", 404),
        ("x" * 300, 404),
        ("a b", 400),
        ("[::1", 400),
        ("acme.localhost:port", 400),
    ],
)
def test_a_host_is_refused(editor: httpx.Client, host: str, status: int) -> None:
    assert_problem(editor.get("invoices/", headers={"host": host}), status)


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic eDp5"])
def test_a_token_is_refused(running: System, token: str) -> None:
    answer = running.visitor("acme").get("invoices/", headers={"authorization": token})

    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_of_another_tenant_is_refused(running: System, editor: httpx.Client) -> None:
    bearer = {"authorization": editor.headers["authorization"]}

    assert_problem(running.visitor("globex").get("invoices/", headers=bearer), 401)


def test_an_expired_token_is_refused(running: System, editor: httpx.Client) -> None:
    token = editor.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    kid, key = running.environment["JWT_SIGNING_KEYS"].split(":", 1)

    def sent(expires_in: int) -> httpx.Response:
        again = claims | {"exp": int(time.time()) + expires_in}
        forged = jwt.encode(again, key, algorithm="HS256", headers=jwt.get_unverified_header(token))
        assert jwt.get_unverified_header(forged)["kid"] == kid
        return running.visitor("acme").get(
            "invoices/", headers={"authorization": f"Bearer {forged}"}
        )

    assert sent(60).status_code == 200
    assert_problem(sent(-60), 401, "token_not_valid")


def test_a_suspended_tenant_is_refused(running: System) -> None:
    viewer = running.person("globex", "viewer")
    _set_state(running, "SUSPENDED")

    try:
        answers = [
            viewer.get("invoices/"),
            viewer.post("auth/login/", json=running.credentials("globex", "viewer")),
        ]
    finally:
        _set_state(running, "ACTIVE")

    for answer in answers:
        assert_problem(answer, 403, "tenants.suspended")
    assert viewer.get("invoices/").status_code == 200


def _set_state(running: System, state: str) -> None:
    done = running.in_product(
        "from django.utils import timezone\n"
        "from shared_apps.tenants import selectors, services\n"
        "tenant = selectors.get_tenant(slug='globex')\n"
        f"services.change_state(tenant_id=tenant.id, to='{state}', at=timezone.now())"
    )
    assert done.returncode == 0, done.stderr
