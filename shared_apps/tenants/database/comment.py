"""The comment that tells in pg_stat_activity and in the server's log whose statement it is.

In the form of sqlcommenter: keys in order, values URL-encoded in quotes. So no value can end the
comment or the literal, whatever a client sent as its request id.
"""

from urllib.parse import quote

from shared_apps.core import context
from shared_apps.core.attribution import Attribution


def statement_comment(scope: context.Scope, who: Attribution, route: str | None) -> str:
    """`/*request_id='…',route='…',tenant='acme'*/ ` with what is known."""
    known = {
        "request_id": who.request_id,
        # What no request caused names its task or command.
        "route": route or who.system,
        "tenant": scope.slug if isinstance(scope, context.TenantIdentity) else None,
    }
    pairs = ",".join(f"{key}='{quote(value, safe='')}'" for key, value in known.items() if value)
    return f"/*{pairs}*/ " if pairs else ""
