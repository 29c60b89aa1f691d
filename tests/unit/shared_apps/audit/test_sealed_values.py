"""Values of a row's JSON text: replaced byte by byte, opened only where they were sealed."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_apps.audit.sealing import values
from shared_apps.audit.sealing.fields import PersonalColumns
from shared_apps.audit.sealing.values import DataKey, Place
from shared_apps.audit.sealing.wrapping import Subject, new_key

HERE = Place(uuid.uuid4(), uuid.uuid4(), "email")
KEY, OTHER = DataKey(uuid.uuid4(), new_key()), DataKey(uuid.uuid4(), new_key())
KEYS = {KEY.id: KEY, OTHER.id: OTHER}

TEXTS = ['"max@x"', "10.50", "1e400", "9" * 5000, "null", "[1, {}]", '{"a": "}\\""}', '"\\u0001ü𝄞"']


@pytest.mark.parametrize("raw", TEXTS, ids=range(len(TEXTS)))
def test_a_value_comes_back_byte_by_byte(raw: str) -> None:
    token = values.seal(raw, [KEY], HERE)
    assert list(json.loads(token)) == ["sealed"]
    assert raw not in token
    assert values.opened(token, KEYS, HERE) == raw
    assert values.opened(json.dumps(json.loads(token), separators=(",", ":")), KEYS, HERE) == raw
    assert values.seal(raw, [KEY], HERE) != token, "equal values do not look equal"


def test_it_is_opened_nowhere_else() -> None:
    token = values.seal('"max@x"', [KEY], HERE)
    for place in (
        Place(uuid.uuid4(), HERE.uid, HERE.field),
        Place(HERE.trail_id, uuid.uuid4(), HERE.field),
        Place(HERE.trail_id, HERE.uid, "name"),
    ):
        assert values.opened(token, KEYS, place) == token


def test_what_is_two_peoples_takes_both_keys() -> None:
    token = values.seal('"max@x"', [KEY, OTHER], HERE)
    assert values.ids_in(token) == {KEY.id, OTHER.id}
    assert values.opened(token, KEYS, HERE) == '"max@x"'
    assert values.opened(token, {KEY.id: KEY}, HERE) == values.ERASED
    assert values.opened(token, {OTHER.id: OTHER}, HERE) == values.ERASED


def test_a_value_that_only_looks_sealed_comes_back_as_it_was() -> None:
    forged = values.seal('"max@x"', [KEY], HERE)
    escaped = values.seal(forged, [], HERE)
    assert values.opened(escaped, {}, HERE) == forged
    for broken in (
        '{"sealed": "zz:"}',
        '{"sealed": "ab:YQ=="}',
        '{"sealed": 1}',
        '{"sealed": ":!"}',
    ):
        assert values.opened(broken, KEYS, HERE) == broken


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _JSON), st.sampled_from([None, 2]), st.booleans())
def test_members_are_those_of_the_object(
    image: dict[str, Any], indent: int | None, is_ascii: bool
) -> None:
    text = json.dumps(image, indent=indent, ensure_ascii=is_ascii)
    found = {name: json.loads(text[begin:end]) for name, begin, end in values.members(text)}
    assert found == image
    assert values.replaced(text, lambda name, raw: raw) == text
    assert json.loads(values.replaced(text, lambda name, raw: "7")) == dict.fromkeys(image, 7)


def test_only_what_is_replaced_changes() -> None:
    text = '{"a": 10.50, "email": "max@x", "n": {"email": 1.0}}'
    shown = values.replaced(text, lambda name, raw: '"-"' if name == "email" else raw)
    assert shown == '{"a": 10.50, "email": "-", "n": {"email": 1.0}}'


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ('"ask Max@X.example, please"', ["address:max@x.example"]),
        ('{"q": "a@x.de", "r": ["b.c+d@y-z.org."]}', ["address:a@x.de", "address:b.c+d@y-z.org"]),
        ("\"'max@x.de' or o'neil@x.de\"", ["address:max@x.de", "address:o'neil@x.de"]),
        ('"nobody here @ all"', []),
    ],
)
def test_the_people_of_a_text_are_those_whose_addresses_it_mentions(
    raw: str, found: list[str]
) -> None:
    rule = PersonalColumns(frozenset(["query"]), by=None)
    ((_, whose),) = rule.owners(["query"], {"query": raw})
    assert sorted(subject.text for subject in whose) == found


def test_an_address_is_the_same_person_in_all_spellings() -> None:
    rule = PersonalColumns(frozenset(["email"]), by="email", is_address=True)
    ((_, whose),) = rule.owners(["email"], {"email": '" MAX@Example.com"'})
    assert whose == {Subject.of_address("max@example.com")}
    assert list(rule.owners(["email"], {"email": '""'})) == []
