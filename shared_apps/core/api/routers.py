"""The router of every app: addresses with an optional slash, viewsets with all conventions."""

from typing import Any

from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from shared_apps.core.api.viewsets import conform
from shared_apps.core.urls import endpoint


class ApiRouter(SimpleRouter):
    """`register()` takes a plain `ModelViewSet` and gives it what docs/api.md promises.

    Each address answers with its slash and without; `reverse()` and the schema know the first.
    """

    def __init__(self) -> None:
        super().__init__(use_regex_path=False)

    def register(self, prefix: str, viewset: Any, basename: str | None = None) -> None:
        """Raises ImproperlyConfigured: the viewset cannot be given all of it."""
        super().register(prefix, conform(viewset), basename)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            pattern
            for canonical in super().get_urls()
            if isinstance(canonical, URLPattern)
            for pattern in endpoint(
                str(canonical.pattern), canonical.callback, name=canonical.name or ""
            )
        ]
