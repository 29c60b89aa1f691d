"""The pages that links in mails lead to. They hold nothing of anybody, and load nothing from anywhere."""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from string import Template

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

_DIRECTORY = Path(__file__).parent


@require_safe
def reset_page(request: HttpRequest) -> HttpResponse:
    return _page("reset")


@require_safe
def registration_page(request: HttpRequest) -> HttpResponse:
    return _page("registration")


def _page(name: str) -> HttpResponse:
    text, policy = _rendered(name)
    return HttpResponse(
        text,
        headers={
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )


@lru_cache(maxsize=2)
def _rendered(name: str) -> tuple[str, str]:
    """A page and its Content-Security-Policy."""
    style = (_DIRECTORY / "page.css").read_text()
    script = (_DIRECTORY / "page.js").read_text()
    text = Template((_DIRECTORY / f"{name}.html").read_text()).substitute(
        style=style, script=script
    )
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)};"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text, policy


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
