"""SQL texts of several statements, taken apart where a server wants one a message.

Citus hands the text of some definitions (ALTER TABLE, CREATE TRIGGER) on to its nodes as it came, whole,
and refuses one that came with others.
"""

import re
from typing import Any

from django.conf import settings

# What may hold a semicolon that ends nothing, the words that frame the body of an SQL function, and the rest.
_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* )
    | (?P<block> /\* )
    | (?P<text> \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" )
    | (?P<dollar> \$(?P<tag> [^\W\d]\w* | )\$ )
    | (?P<word> \w[\w$]* )
    | (?P<mark> [();] )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK = re.compile(r"/\*|\*/")


def split(text: str) -> list[str]:
    """The statements of a text in their order, without the semicolons and what holds nothing."""
    found: list[str] = []
    start = position = depth = 0
    words: list[str] = []
    while (match := _TOKEN.match(text, position)) is not None:
        position = match.end()
        match match.lastgroup if match["dollar"] is None else "dollar":
            case "block":
                position = _end_of_comment(text, position)
            case "dollar":
                words.append("")
                end = text.find(match["dollar"], position)
                position = len(text) if end < 0 else end + len(match["dollar"])
            case "text":
                words.append("")
            case "word":
                words.append(match["word"].upper())
                depth += _frames(words)
            case "mark" if match["mark"] == ";":
                if depth == 0:
                    found += [text[start : match.start()].strip()] if words else []
                    start, words = position, []
            case "mark":
                depth += 1 if match["mark"] == "(" else -1
    return [*found, text[start:].strip()] if words else found


def send(cursor: Any, text: str) -> None:
    """Execute a text of several statements: in one message where the server takes it."""
    if settings.DATABASE_SHARDING != "citus":
        cursor.execute(text)
        return
    for statement in split(text):
        cursor.execute(statement)


def _frames(words: list[str]) -> int:
    """Whether the last word opens or closes the body of a function that is written in SQL itself."""
    if "ATOMIC" not in words[:-1] and words[-1] != "ATOMIC":
        return 0
    if words[-2:] == ["BEGIN", "ATOMIC"] or (words[-1] == "CASE" and "ATOMIC" in words):
        return 1
    return -1 if words[-1] == "END" else 0


def _end_of_comment(text: str, position: int) -> int:
    """Comments nest."""
    depth = 1
    for match in _BLOCK.finditer(text, position):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)
