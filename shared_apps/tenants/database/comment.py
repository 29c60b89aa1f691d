"""The comment that tells in pg_stat_activity and in the server's log whose statement it is.

In the form of sqlcommenter: keys in order, values URL-encoded in quotes. So no value can end the
comment or the literal, whatever a client sent as its request id.
"""

import re
from functools import lru_cache
from urllib.parse import quote

from shared_apps.core import context
from shared_apps.core.attribution import Attribution

# What URL-encoding leaves as it is; nearly every request id.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)


def statement_comment(scope: context.Scope, who: Attribution, route: str | None) -> str:
    """`/*request_id='…',route='…',tenant='acme'*/ ` with what is known."""
    pairs = []
    if who.request_id:
        is_plain = _PLAIN.fullmatch(who.request_id)
        encoded = who.request_id if is_plain else quote(who.request_id, safe="")
        pairs.append(f"request_id='{encoded}'")
    # What no request caused names its task or command.
    if place := route or who.system:
        pairs.append(f"route='{_encoded(place)}'")
    if isinstance(scope, context.TenantIdentity):
        pairs.append(f"tenant='{_encoded(scope.slug)}'")
    return f"/*{','.join(pairs)}*/ " if pairs else ""


@lru_cache(maxsize=4096)
def _encoded(value: str) -> str:
    """Of names, which come again and again."""
    return quote(value, safe="")
