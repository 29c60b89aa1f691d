"""One event is one line, whoever logs it and whatever it holds."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import structlog

from shared_apps.core import attribution, context, exchange, route
from shared_apps.core.log import ContextFilter
from shared_apps.core.log_lines import LineFormatter

Lines = Callable[[], list[str]]


def _written(form: str) -> Iterator[Lines]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(form))
    handler.addFilter(ContextFilter())
    logger = logging.getLogger("tests.lines")
    logger.addHandler(handler)
    logger.propagate = False
    yield lambda: stream.getvalue().splitlines()
    logger.removeHandler(handler)
    logger.propagate = True


@pytest.fixture
def json_lines() -> Iterator[Lines]:
    yield from _written("json")


@pytest.fixture
def text_lines() -> Iterator[Lines]:
    yield from _written("text")


def _one(lines: Lines) -> dict[str, Any]:
    [line] = lines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_says_when_what_and_for_whom(json_lines: Lines) -> None:
    with (
        context.operator(),
        attribution.acting(attribution.Attribution(request_id="r-1", task_id="t-1")),
        exchange.answering(exchange.Exchange(method="POST", path="/api/v1/vendors/")),
        route.unresolved(),
    ):
        route.resolved("v1:invoicing:vendor-list")
        logging.getLogger("tests.lines").warning("%d of %s", 3, "four", extra={"vendor": "x-1"})
    line = _one(json_lines)
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert at.utcoffset() is not None
    assert not at.utcoffset()
    assert line == {
        "level": "warning", "logger": "tests.lines", "message": "3 of four", "tenant": "-operator-",
        "request_id": "r-1", "task_id": "t-1", "method": "POST", "path": "/api/v1/vendors/",
        "route": "v1:invoicing:vendor-list", "vendor": "x-1",
    }  # fmt: skip


def test_an_error_is_three_fields_of_one_line(json_lines: Lines) -> None:
    try:
        raise ValueError("first\nsecond password=hunter2")
    except ValueError:
        logging.getLogger("tests.lines").exception("It failed")
    line = _one(json_lines)
    assert (line["error_type"], line["message"]) == ("ValueError", "It failed")
    assert line["error"] == "first\nsecond password=[redacted]"
    assert line["traceback"].startswith("Traceback (most recent call last):\n")
    assert "hunter2" not in line["traceback"]


def test_structlog_goes_the_same_way(json_lines: Lines) -> None:
    with attribution.acting(attribution.Attribution(request_id="r-2")):
        structlog.get_logger("tests.lines").error(
            "It happened", invoice=7, api_key="k", tenant="me"
        )
    line = _one(json_lines)
    assert (line["message"], line["invoice"], line["api_key"]) == ("It happened", 7, "[redacted]")
    assert (line["request_id"], line["level"], line["logger"]) == ("r-2", "error", "tests.lines")


def test_a_name_of_ours_cannot_be_taken(json_lines: Lines) -> None:
    structlog.get_logger("tests.lines").error("x", level="fine", logger="root", timestamp="never")
    line = _one(json_lines)
    assert (line["level"], line["logger"]) == ("error", "tests.lines")
    assert line["timestamp"] != "never"


HOSTILE = "x\r\n2026 CRITICAL root forged\x1b[2J\x85\u2028next\x00"


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_value_begins_a_line(form: str, request: pytest.FixtureRequest) -> None:
    lines: Lines = request.getfixturevalue(f"{form}_lines")
    logging.getLogger("tests.lines").warning("Hello %s", HOSTILE, extra={"name_sent": HOSTILE})
    [line] = lines()
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
    if form == "json":
        assert json.loads(line)["message"] == f"Hello {HOSTILE}"


def test_text_shows_the_same_and_indents_what_an_error_says(text_lines: Lines) -> None:
    try:
        raise ValueError("boom\n2026 CRITICAL root forged")
    except ValueError:
        logging.getLogger("tests.lines").exception("It failed", extra={"count": 2})
    first, *rest = text_lines()
    assert re.fullmatch(
        r"\S+\+00:00 ERROR tests\.lines tenant=- request=- task=- It failed count=2", first
    )
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_a_message_that_does_not_fit_its_arguments_is_a_line_all_the_same() -> None:
    record = logging.LogRecord(
        "tests", 30, "file.py", 1, "%d of password=%s", ("x", "hunter2"), None
    )
    line = json.loads(LineFormatter("json").format(record))
    assert (line["message"], line["level"]) == ("%d of password=[redacted]", "warning")
    assert "hunter2" not in json.dumps(line)
