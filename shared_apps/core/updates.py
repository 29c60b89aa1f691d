"""Tell the open sockets of a tenant what has changed."""

import json
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from shared_apps.core import context

DASHBOARD = "dashboard_updates"


def broadcast_update(data: Mapping[str, Any], group: str = DASHBOARD) -> None:
    """Send `data` to the present tenant's sockets in `group`, after the current transaction commits.

    For services, views and tasks; a consumer awaits `abroadcast_update`. Best effort: a message that
    cannot be sent is logged and fails nothing.

    Raises:
        TenantContextRequired: nobody's context.
        TypeError: `data` is not JSON.
    """
    context.require()
    message = _message(data)
    # Now: at commit the caller's context may have been left.
    caller = copy_context()
    send = async_to_sync(_send)
    transaction.on_commit(lambda: caller.run(send, group, message), robust=True)


async def abroadcast_update(data: Mapping[str, Any], group: str = DASHBOARD) -> None:
    """The same from asynchronous code, at once: there is no transaction there to wait for."""
    await _send(group, _message(data))


async def _send(group: str, message: dict[str, Any]) -> None:
    await get_channel_layer().group_send(group, message)


def _message(data: Mapping[str, Any]) -> dict[str, Any]:
    # Rendered once, whatever the number of sockets.
    return {"type": "send_update", "data": json.dumps(data, cls=DjangoJSONEncoder)}
