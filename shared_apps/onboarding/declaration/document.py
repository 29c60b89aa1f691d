"""From YAML text to plain values, with the line of each.

The parser's events are composed here, because a declaration allows less than YAML does: no key twice,
no anchors and aliases (which can stand for billions of values), no tags, one document. Scalars follow
YAML 1.2: `no` and `12:30` are text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from shared_apps.onboarding.declaration.problems import Path, Problem

LARGEST_BYTES: Final = 16 * 1024 * 1024
_DEEPEST = 16
_LONGEST_NUMBER = 30

_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_WORDS = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
_TAB_INDENT = re.compile(r"^[ ]*\t", re.MULTILINE)


@dataclass
class Document:
    """`value` is what JSON could hold. Lines are known of keys and of items of lists."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """Of the value, or of the nearest that holds it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _UnreadableError(Exception):
    """Nothing can be said of the rest of the text."""

    def __init__(self, line: int, text: str) -> None:
        self.problem = Problem(path=(), line=line, text=text)
        super().__init__(text)


def read_document(raw: bytes) -> Document:
    """Everything that is wrong with the text itself is in the document's `problems`."""
    document = Document()
    try:
        text = _decoded(raw)
        events = _Events(text)
        _read_root(events, document)
    except _UnreadableError as error:
        document.problems.append(error.problem)
    return document


def _decoded(raw: bytes) -> str:
    if len(raw) > LARGEST_BYTES:
        raise _UnreadableError(1, f"the file is larger than {LARGEST_BYTES // 1024**2} MiB")
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _UnreadableError(line, "this is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise _UnreadableError(line, "there is a NUL character; save the file as UTF-8 text")
    if tab := _TAB_INDENT.search(text):
        line = text[: tab.start()].count("\n") + 1
        raise _UnreadableError(line, "the line is indented with a tab; use spaces")
    return text


class _Events:
    """The parser's events; its errors in our words, without the text around them."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))

    def take(self) -> Any:
        try:
            return next(self._events)
        except yaml.MarkedYAMLError as error:
            mark: Any = error.problem_mark or error.context_mark
            reason = re.sub(r" ?['\"].*['\"]", "", error.problem or "this cannot be read")
            raise _UnreadableError(mark.line + 1 if mark else 1, f"not YAML: {reason}") from None
        except yaml.YAMLError:
            raise _UnreadableError(1, "a character is not allowed in YAML") from None


def _read_root(events: _Events, document: Document) -> None:
    while not isinstance(event := events.take(), yaml.DocumentStartEvent):
        if isinstance(event, yaml.StreamEndEvent):
            raise _UnreadableError(1, "the file is empty")
    document.value = _read_node(events, events.take(), document, ())
    events.take()
    second = events.take()
    if isinstance(second, yaml.DocumentStartEvent):
        line = _line_of(second)
        raise _UnreadableError(line, "a second document begins here; keep one")


def _read_node(events: _Events, event: Any, document: Document, path: Path) -> Any:
    line = _line_of(event)
    if isinstance(event, yaml.AliasEvent):
        document.problems.append(
            Problem(path, line, "aliases (*) are not supported; write the value out")
        )
        return None
    if event.anchor is not None:
        document.problems.append(
            Problem(path, line, "anchors (&) are not supported; quote a text that begins with &")
        )
    if event.tag is not None:
        document.problems.append(
            Problem(path, line, "tags (!) are not supported; quote a text that begins with !")
        )
    if len(path) > _DEEPEST:
        raise _UnreadableError(line, "this is nested too deeply")
    match event:
        case yaml.ScalarEvent():
            return _scalar(event.value) if event.implicit[0] else event.value
        case yaml.SequenceStartEvent():
            return _read_sequence(events, document, path)
        case _:
            return _read_mapping(events, document, path)


def _read_sequence(events: _Events, document: Document, path: Path) -> list[Any]:
    items: list[Any] = []
    while not isinstance(event := events.take(), yaml.SequenceEndEvent):
        item = (*path, len(items))
        document.lines[item] = _line_of(event)
        items.append(_read_node(events, event, document, item))
    return items


def _read_mapping(events: _Events, document: Document, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while not isinstance(event := events.take(), yaml.MappingEndEvent):
        line = _line_of(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise _UnreadableError(line, "a key must be plain text")
        key, entry = event.value, (*path, event.value)
        is_second = key in found
        if is_second:
            first = document.lines[entry]
            document.problems.append(
                Problem(entry, line, f"the key is here a second time (first on line {first})")
            )
            # Judged all the same, and then dropped: the first one counts for the rest.
            _read_node(events, events.take(), Document(problems=document.problems), entry)
            continue
        document.lines[entry] = line
        found[key] = _read_node(events, events.take(), document, entry)
    return found


def _line_of(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _LONGEST_NUMBER:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text
