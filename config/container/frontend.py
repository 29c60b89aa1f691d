"""What a built front end is told where it runs: a small file beside it, instead of another build.

Written as JSON in a script, so that no value can become code or break the file, whatever it holds.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

PREFIX = "VITE_APP_"
_NAME = "window.__APP_CONFIG__"
# Valid in a string of JSON and the end of something in a page or, once, in a script.
_ESCAPED = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def render(environment: Mapping[str, str]) -> str:
    """`window.__APP_CONFIG__ = {"API_ROOT": …}` of every variable that begins with VITE_APP_."""
    values = {
        name.removeprefix(PREFIX): value
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX)
    }
    text = json.dumps(values, ensure_ascii=False)
    for character, escaped in _ESCAPED.items():
        text = text.replace(character, escaped)
    return f"{_NAME} = Object.freeze({text});\n"


def write(path: Path, *, environment: Mapping[str, str], problems: list[str]) -> None:
    """Whole or not at all: a page that is loaded meanwhile gets the one or the other."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(render(environment), encoding="utf-8")
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        problems.append(f"FRONTEND_CONFIG_FILE cannot be written: {path} ({error.strerror})")
