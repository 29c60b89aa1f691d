"""What an entry says that changed."""

from typing import Any

import pytest

from shared_apps.audit.transfer import difference


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (None, '{"a": 1, "b": null}', {"a": {"old": None, "new": 1}, "b": {"old": None, "new": None}}),
        ('{"a": 1.50}', None, {"a": {"old": "1.50", "new": None}}),
        (None, None, {}),
        (None, "{}", {}),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 3}', {"b": {"old": 2, "new": 3}}),
        ('{"a": null}', "{}", {"a": {"old": None, "new": None}}),
        ('{"a": 10.50}', '{"a": 10.5}', {"a": {"old": "10.50", "new": "10.5"}}),
        ('{"a": 1}', '{"a": true}', {"a": {"old": 1, "new": True}}),
        ('{"a": [0, 2]}', '{"a": [false, 2]}', {"a": {"old": [0, 2], "new": [False, 2]}}),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}', {}),
        ('{"a": 123456789012345678901234567890}', '{"a": 123456789012345678901234567891}',
         {"a": {"old": 123456789012345678901234567890, "new": 123456789012345678901234567891}}),
    ],
)  # fmt: skip
def test_difference(old: str | None, new: str | None, found: dict[str, Any]) -> None:
    differs = difference(old, new)

    assert differs == found
    assert repr(differs) == repr(found)
