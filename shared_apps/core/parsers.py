import codecs
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import (  # type: ignore[attr-defined]  # the stubs lack get_encoding
    JSONParser,
    get_encoding,
)


class BoundedJSONParser(JSONParser):
    """Refuses what can be read in two ways or not at all, instead of guessing or failing on it.

    Of a name that occurs twice Python keeps the last value and others the first, so an amount that
    a gateway has looked at could be another one here (RFC 8259, section 4). NaN and Infinity are no
    JSON. What is nested deeper than the interpreter can follow would end in a defect.
    """

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:  # fmt: skip
        reader = codecs.getreader(get_encoding(parser_context or {}))
        try:
            return json.load(
                reader(stream), parse_constant=_refuse_constant, object_pairs_hook=_unambiguous
            )
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from None


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
