"""The text of a statement without the values in it."""

import re
from functools import lru_cache

_LONGEST_REMEMBERED = 4096

# In the order of what begins first; what begins and does not end runs to the end of the text, which may have
# been cut there. Names in double quotes and psycopg's placeholders stay.
_PARTS = re.compile(
    r"""
      (?P<name> "(?:[^"]|"")*(?:"|\Z) )
    | (?P<value>
        [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)
      | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z)
      | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
      | (?<![\w$%.])(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?\w*
      )
    | (?P<comment> --[^\n]*(?:\n|\Z) | /\* )
    | (?P<word> [^\W\d][\w$]* )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_SIGN = re.compile(r"/\*|\*/")


def without_values(text: str) -> str:
    """`SELECT 'secret', 5 FROM "t" WHERE a = %s` → `SELECT ?, ? FROM "t" WHERE a = %s`, on one line."""
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _mask(text)


@lru_cache(maxsize=1024)
def _remembered(text: str) -> str:
    return _mask(text)


def _mask(text: str) -> str:
    kept: list[str] = []
    position = 0
    while found := _PARTS.search(text, position):
        kept.append(text[position : found.start()])
        position = found.end()
        match found.lastgroup:
            case "value" | "tag":
                kept.append("?")
            case "comment":
                kept.append(" ")
                if found.group() == "/*":
                    position = _end_of_comment(text, position)
            case _:
                kept.append(found.group())
    kept.append(text[position:])
    return " ".join("".join(kept).split())


def _end_of_comment(text: str, position: int) -> int:
    """PostgreSQL's comments nest."""
    depth = 1
    while depth:
        sign = _COMMENT_SIGN.search(text, position)
        if sign is None:
            return len(text)
        depth += 1 if sign.group() == "/*" else -1
        position = sign.end()
    return position
