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
    slug = scope.slug if isinstance(scope, context.TenantIdentity) else None
    # What no request caused names its task or command.
    rest = _place(route or who.system, slug)
    if not who.request_id:
        return f"/*{rest}*/ " if rest else ""
    is_plain = _PLAIN.fullmatch(who.request_id)
    encoded = who.request_id if is_plain else quote(who.request_id, safe="")
    return f"/*request_id='{encoded}',{rest}*/ " if rest else f"/*request_id='{encoded}'*/ "


@lru_cache(maxsize=4096)
def _place(route: str | None, slug: str | None) -> str:
    """Of names, which come again and again."""
    named = (("route", route), ("tenant", slug))
    return ",".join(f"{name}='{quote(value, safe='')}'" for name, value in named if value)
