"""HTML for people, rendered here: no scripts, nothing from elsewhere, in nobody's frame or cache."""

import base64
import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 4rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
h1 { font-size: 1.4rem } label { display: block; margin-top: 1rem } [role=alert] { color: #a40000 }
input { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit }
button { margin-top: 1.5rem; padding: .5rem 1.5rem; font: inherit }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# The one style is named by its hash, so that there is no nonce to get wrong.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class PageResponse(HttpResponse):
    """One of our own pages; errors, too, stay what they are (middleware.py)."""


def page(
    request: HttpRequest, template: str, values: dict[str, Any], *, status: int = 200
) -> PageResponse:
    html = render_to_string(template, {**values, "style": STYLE}, request=request)
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cache-Control": "no-store",
    }
    return PageResponse(html, status=status, headers=headers)
