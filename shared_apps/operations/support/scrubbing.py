"""Takes out of texts what must not leave: what this process knows to be secret, and what looks like it.

The first by value, wherever it stands and however it is written; the second as in logs (core/redaction.py).
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

from shared_apps.core.redaction import REPLACED, in_text, redact

_SHORTEST: Final = 4  # characters; shorter ones stand in every other word
_WHOLE_WORD: Final = 8  # below it only as a word of its own


class Scrubber:
    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = sorted(
            {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)},
            key=len,
            reverse=True,
        )
        parts = [
            re.escape(form) if len(form) >= _WHOLE_WORD else rf"(?<!\w){re.escape(form)}(?!\w)"
            for form in self._forms
        ]
        self._pattern = re.compile("|".join(parts)) if parts else None

    def text(self, text: str) -> str:
        """Line by line, because what is cut from a long text is cut from its end."""
        return "".join(self._line(line) for line in text.splitlines(keepends=True))

    def value(self, value: Any) -> Any:
        """Of JSON: by the names of fields as well."""
        return json.loads(self._without_known(json.dumps(redact("", value), default=str)))

    def finds(self, text: str) -> bool:
        """Whether anything that is known to be secret is still there."""
        return bool(self._pattern and self._pattern.search(text))

    def lines(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            yield self._line(line)

    def _line(self, line: str) -> str:
        body = line.rstrip("\r\n")
        if body.startswith("{"):
            try:
                return json.dumps(self.value(json.loads(body)), ensure_ascii=False) + "\n"
            except (ValueError, RecursionError):
                pass  # a line that looks like it and is not
        return self._without_known(in_text(self._without_known(body))) + line[len(body) :]

    def _without_known(self, text: str) -> str:
        return self._pattern.sub(REPLACED, text) if self._pattern else text


def _forms(secret: str) -> set[str]:
    """As it is, in a URL, in JSON, and as Basic credentials write it."""
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        b64encode(secret.encode()).decode().rstrip("="),
    }
