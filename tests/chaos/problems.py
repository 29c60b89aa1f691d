"""What a refusal looks like to whoever is refused."""

import httpx

_MEMBERS = {"type", "title", "status", "detail", "instance"} | {
    "success", "error", "code", "details", "request_id",
}  # fmt: skip


def assert_problem(answer: httpx.Response, status: int, code: str | None = None) -> None:
    """A whole problem body with this status, and nothing of the product's inside in it."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text[:500]
    body = answer.json()
    assert set(body) == _MEMBERS
    assert (body["status"], body["success"]) == (status, False)
    assert body["error"]
    assert body["code"]
    assert body["request_id"] == answer.headers["x-request-id"]
    if code is not None:
        assert body["code"] == code, body
    for sign in ("Traceback", 'File "', "psycopg", "django", "SELECT "):
        assert sign not in answer.text, answer.text[:500]
