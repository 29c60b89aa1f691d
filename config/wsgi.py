"""For servers without ASGI, and for benchmarks."""

import os

from shared_apps.core.wsgi import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

application = get_application()

from shared_apps.tenants.database import probe  # noqa: E402  # after Django's set-up

probe.look_at_start()
