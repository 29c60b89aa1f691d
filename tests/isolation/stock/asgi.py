"""The product's sockets without the look at the way to the database, which knows our backend only."""

from channels.routing import ProtocolTypeRouter

from config.routing import sockets
from shared_apps.authn.sockets import SocketSignInMiddleware
from shared_apps.tenants.sockets import TenantSocketMiddleware

application = ProtocolTypeRouter(
    {"websocket": TenantSocketMiddleware(SocketSignInMiddleware(sockets))}
)
