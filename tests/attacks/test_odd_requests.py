"""Whatever is sent to the sign-in's addresses, the answer is one that was meant."""

import json
from typing import Any

import pytest
from django.test import Client, override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_apps.authn.models import Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity

_FIELDS = ("identifier", "email", "username", "password", "refresh", "old_password", "new_password", "next")  # fmt: skip
_PATHS = (
    "/api/v1/auth/login/", "/api/v1/auth/refresh/", "/api/v1/auth/logout/", "/api/v1/auth/registration/",
    "/api/v1/auth/user/", "/api/v1/auth/sessions/", "/api/v1/auth/password/info/",
    "/api/v1/auth/password/change/", "/accounts/", "/accounts/login/", "/accounts/logout/",
    "/api/v1/auth/sessions/00000000-0000-0000-0000-000000000000/",
)  # fmt: skip
_TYPES = (
    "application/json", "application/json; charset=utf-16", "application/json; charset=nonsense",
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-7",
    "multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "", "nonsense",
)  # fmt: skip
_text = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["\x00", "\ud800", "\u202e", "x" * 5000, "a\r\nb", "%00", "' OR 1=1 --"]),
)
_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_text, inner, max_size=3)),
    max_leaves=5,
)
_bodies = st.one_of(
    st.dictionaries(st.sampled_from(_FIELDS), _value).map(lambda body: json.dumps(body).encode()),
    _value.map(lambda body: json.dumps(body).encode()),
    st.dictionaries(st.sampled_from(_FIELDS), _text).map(
        lambda body: json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ),
    st.binary(max_size=200),
    st.sampled_from(
        [b"", b"{", b"[" * 5000, b"\xff\xfe{\x00}\x00", b"--x\r\n\r\n", b'{"a":1e999}']
    ),
)
_headers = st.dictionaries(
    st.sampled_from(
        [
            "Authorization", "Cookie", "X-Forwarded-For", "X-Request-ID", "Accept", "Accept-Encoding",
            "X-CSRFToken", "Origin", "Referer", "User-Agent", "Content-Encoding", "Range",
        ]
    ),
    # What a header can hold at all.
    st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
        st.sampled_from(
            ["Bearer ", "Bearer a.b.c", "bearer \u00ff", "Basic eDp5", "freehold_sign_in=" + "a" * 43,
             "freehold_sign_in=\u00e9; freehold_csrf=x", "null", "*/*;q=nonsense", "text/html"]
        ),
    ),
    max_size=4,
)  # fmt: skip


@override_settings(SIGN_IN_FAILURES_PER_ADDRESS=100_000)
def test_no_request_is_a_defect(acme: TenantIdentity) -> None:
    http = Client(raise_request_exception=False)

    @settings(
        max_examples=400, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
        st.sampled_from(_PATHS), st.sampled_from(_TYPES), _bodies, _headers,
        st.sampled_from(["acme.localhost", "localhost"]),
    )  # fmt: skip
    def send(
        method: str, path: str, kind: str, body: bytes, headers: dict[str, str], host: str
    ) -> None:
        http.cookies.clear()
        response: Any = http.generic(
            method, path, body, content_type=kind, headers={**headers, "host": host}
        )

        assert response.status_code < 500, (method, path, response.content)
        if response.status_code >= 400 and "json" in response["Content-Type"] and response.content:
            assert response.json()["success"] is False

    send()
    with context.operator():
        assert not Session.objects.exists()


@pytest.mark.parametrize("path", ["/api/v1/auth/login/", "/accounts/login/"])
def test_a_body_that_is_too_large(acme: TenantIdentity, path: str) -> None:
    http = Client(raise_request_exception=False)
    kind = "application/json" if "api" in path else "application/x-www-form-urlencoded"
    response = http.generic(
        "POST", path, b"password=" + b"x" * 3_000_000, content_type=kind,
        headers={"host": "acme.localhost"},
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
