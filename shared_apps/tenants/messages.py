"""What a Celery message says about its sender, and what a worker makes of it.

Two headers: `scope`, the tenant's immutable id or `operator`, and `attribution`. A tenant's name or
schema is never sent: by the time the task runs they may belong to another, or to nobody.

The broker is trusted: whoever can write to it can name any tenant. What it holds is JSON, so it can
name work, not bring code.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from shared_apps.core import attribution, context
from shared_apps.core.errors import TenantContextRequired
from shared_apps.tenants.errors import TaskRefusedError

SCOPE, ATTRIBUTION, FAN_OUT = "scope", "attribution", "fan_out"
OPERATOR = "operator"

_FOLLOWERS = ("chain", "link", "link_error")
_COMPOSITES = {"group": ("tasks",), "chain": ("tasks",), "chord": ("header", "body")}

_forwarding: ContextVar[bool] = ContextVar("forwarding", default=False)


def of_current_context() -> dict[str, Any]:
    """The headers that hand the present context to a task.

    Raises:
        TenantContextRequired: there is none that a task can work in.
    """
    who = attribution.current()
    return {
        SCOPE: _name_of(context.require()),
        ATTRIBUTION: {
            "user_id": str(who.user_id) if who.user_id else None,
            "on_behalf_of": str(who.on_behalf_of) if who.on_behalf_of else None,
            "request_id": who.request_id,
            "parent_task_id": who.task_id,
            "ip": who.ip,
        },
    }


def _name_of(scope: context.Scope) -> str:
    match scope:
        case context.TenantIdentity():
            return str(scope.id)
        case context.OperatorScope():
            return OPERATOR
    # Never the operator for want of a name: a task would then do what its sender may not.
    raise TenantContextRequired


@contextmanager
def forwarding() -> Iterator[None]:
    """Messages sent in this block carry on work that was composed before: their headers stand."""
    token = _forwarding.set(True)
    try:
        yield
    finally:
        _forwarding.reset(token)


@contextmanager
def composing() -> Iterator[None]:
    """Code of the task itself runs: it sends for its own tenant."""
    token = _forwarding.set(False)
    try:
        yield
    finally:
        _forwarding.reset(token)


def seal(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a message to send, with the sender's headers on it and on all that follows it.

    Callbacks, the rest of a chain and the body of a chord belong to whoever composed them, whichever
    task happens to finish last and send them.

    Raises:
        TenantContextRequired: neither headers nor a context.
        TaskRefusedError: a tenant's code names another scope in the headers.
    """
    headers = dict(options.get("headers") or {})
    if SCOPE not in headers:
        headers = {**of_current_context(), **headers}
    scope = context.current()
    if isinstance(scope, context.TenantIdentity) and not _forwarding.get():
        _require_own(scope, headers)
    heritage = of_current_context() if scope is not None else _heritage(headers)
    sealed = {**options, "headers": headers}
    return _with_followers(sealed, heritage)


def _require_own(scope: context.TenantIdentity, headers: Mapping[str, Any]) -> None:
    if headers[SCOPE] != str(scope.id):
        raise TaskRefusedError(
            f"{scope.slug} sent a task for another scope; enter that context to do so"
        )


def _heritage(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: headers[name] for name in (SCOPE, ATTRIBUTION) if name in headers}


def _with_followers(options: dict[str, Any], heritage: dict[str, Any]) -> dict[str, Any]:
    """Copies: a signature may be a constant of a module, which every tenant's code sends."""
    for name in _FOLLOWERS:
        if followers := options.get(name):
            several = [followers] if isinstance(followers, Mapping) else followers
            options[name] = [_inheriting(follower, heritage) for follower in several]
    if body := options.get("chord"):
        options["chord"] = _inheriting(body, heritage)
    return options


def _inheriting(signature: Mapping[str, Any], heritage: dict[str, Any]) -> dict[str, Any]:
    options = dict(signature.get("options") or {})
    kwargs = dict(signature.get("kwargs") or {})
    parts = _COMPOSITES.get(signature.get("subtask_type") or "", ())
    for part in parts:
        members = kwargs[part]
        kwargs[part] = (
            _inheriting(members, heritage)
            if isinstance(members, Mapping)
            else [_inheriting(member, heritage) for member in members]
        )
    if not parts:  # a composite's own headers would override those of its members
        headers = options.get("headers") or {}
        options["headers"] = headers if SCOPE in headers else {**heritage, **headers}
    return {**signature, "kwargs": kwargs, "options": _with_followers(options, heritage)}


def attribution_of(
    headers: Mapping[str, Any], *, task: str, task_id: str
) -> attribution.Attribution:
    """Whom the writes of a received message are put down to; what is malformed is unknown."""
    sent = headers.get(ATTRIBUTION)
    known = sent if isinstance(sent, Mapping) else {}
    return attribution.Attribution(
        user_id=_uuid(known.get("user_id")),
        on_behalf_of=_uuid(known.get("on_behalf_of")),
        system=f"task:{task}",
        request_id=_text(known.get("request_id")),
        task_id=task_id,
        parent_task_id=_text(known.get("parent_task_id")),
        ip=_text(known.get("ip")),
    )


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
