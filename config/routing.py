"""What tenants' sockets can be opened at."""

from channels.routing import URLRouter
from django.urls import path, re_path

from shared_apps.authn.consumers import UpdatesConsumer
from shared_apps.tenants.sockets import refuse

sockets = URLRouter(
    [
        path("ws/updates/", UpdatesConsumer.as_asgi()),
        path("ws/updates", UpdatesConsumer.as_asgi()),
        re_path(r"", refuse),  # type: ignore[arg-type]  # Channels takes applications, not views
    ]
)
