"""What is taken out of log lines, and what is left in."""

import time

import pytest

from shared_apps.core.redaction import REPLACED, in_text, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 for x", f"password={REPLACED} for x"),
        ("{'new_password': 'a b', 'x': 1}", f"{{'new_password': {REPLACED}, 'x': 1}}"),
        ('{"password": "a \\" b", "x": 1}', f'{{"password": {REPLACED}, "x": 1}}'),
        ("Authorization: Bearer abc.def-123", f"Authorization: {REPLACED} {REPLACED}"),
        ("sent basic dXNlcjpwYXNz", f"sent basic {REPLACED}"),
        (f"the token is {JWT}.", f"the token is {REPLACED}."),
        ("Cookie: a=b; freehold_session=zzz", f"Cookie: {REPLACED}"),
        ("postgresql://app:p@ss:w0rd@db/freehold", f"postgresql://{REPLACED}@db/freehold"),
        ("redis://:s3cret@localhost:6379/0", f"redis://{REPLACED}@localhost:6379/0"),
        ("bob.o'neil@acme.example said no", f"{REPLACED}@acme.example said no"),
        ("?search=bob%40acme.example", f"?search={REPLACED}%40acme.example"),
        ("to DE89 3704 0044 0532 0130 00, today", f"to {REPLACED}, today"),
        ("GB29NWBK60161331926819", REPLACED),
        ("card 4111-1111-1111-1111", f"card {REPLACED}"),
        ("5555555555554444", REPLACED),
        ("?code=0.AbC&state=xyz&page=2", f"?code={REPLACED}&state={REPLACED}&page=2"),
        ("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n", f"{REPLACED}\n"),
        ("-----BEGIN EC PRIVATE KEY-----\ncut off", REPLACED),
    ],
)
def test_what_looks_like_a_secret_or_a_person_goes(text: str, shown: str) -> None:
    assert in_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/invoices/0f8fad5b-d9cd-469f-a165-70867728950e/ 200",
        "celery@worker-1 ready.",
        "Task mail.deliver_due[af5d9604-8222-4506-998a-b5728fa694f1] received",
        "2026-11-22 05:50:12,123 took 1234567890123456 ns",
        "4111111111111112 is no card, DE00370400440532013000 no account",
        "Sign-in refused: authn.invalid_credentials",
        "127.0.0.1 [::1]:8000",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert in_text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "password", "old_password", "Authorization", "HTTP_COOKIE", "X-Api-Key", "csrftoken", "refresh",
        "client_secret", "iban", "card_number", "email", "DATABASE_URL", "signed",
    ],
)  # fmt: skip
def test_a_field_with_such_a_name_is_not_shown(name: str) -> None:
    assert redact(name, "0") == REPLACED
    assert redact("outer", {name: ["0"]}) == {name: REPLACED}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_count", 3),
        ("password_state", "due"),
        ("emailed", "no"),
        ("status", 200),
        ("x", None),
    ],
)
def test_a_field_of_another_is(name: str, value: object) -> None:
    assert redact(name, value) == value


def test_what_lies_deep_or_prints_itself_is_seen() -> None:
    class Person:
        def __str__(self) -> str:
            return "bob@acme.example"

    nested: object = "password=x"
    for _ in range(50):
        nested = [nested]
    assert redact("who", Person()) == f"{REPLACED}@acme.example"
    assert "password=x" not in str(redact("deep", nested))
    assert redact("ratio", float("nan")) == "nan"


@pytest.mark.parametrize(
    "piece",
    ["a", "token", "a@", "://:", "eyJaaaaaa-", "4111 ", "DE89", "pass=\\", "token='", "cookie=", "bearer "],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    """Four times as much text takes about four times as long, not sixteen."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        taken = []
        for _ in range(5):
            began = time.process_time()
            in_text(text)
            taken.append(time.process_time() - began)
        return min(taken)

    assert seconds(32_000) < 0.5


def test_what_is_far_too_long_is_cut() -> None:
    assert in_text("x" * 100_000) == "x" * 32_768 + " [cut]"
