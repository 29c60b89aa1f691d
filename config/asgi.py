"""What gunicorn's asgi worker serves: requests and sockets."""

import os

from channels.routing import ProtocolTypeRouter

from shared_apps.core.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

requests = get_application()

# They import models, which wait for the line above.
from config.routing import sockets  # noqa: E402
from shared_apps.authn.sockets import SocketSignInMiddleware  # noqa: E402
from shared_apps.tenants.database import probe  # noqa: E402
from shared_apps.tenants.sockets import TenantSocketMiddleware  # noqa: E402

probe.look_at_start()

application = ProtocolTypeRouter(
    {"http": requests, "websocket": TenantSocketMiddleware(SocketSignInMiddleware(sockets))}
)
