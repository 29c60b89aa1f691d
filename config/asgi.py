"""What gunicorn's asgi worker serves: HTTP now, WebSocket beside it when an app needs it."""

import os

from shared_apps.core.asgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

application = get_application()

from shared_apps.tenants.database import probe  # noqa: E402  # after Django's set-up

probe.look_at_start()
