"""What Prometheus is shown, on the public host with a token or on a port of its own.

The figures of processes that share a directory (PROMETHEUS_MULTIPROC_DIR) are added up, so whichever of
them is asked says the same.
"""

import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from shared_apps.core.metrics.stored import StoredFigures
from shared_apps.core.problems import problem_response


def view(request: HttpRequest) -> HttpResponse:
    """For whoever has METRICS_TOKEN; without one nobody has it, and the address does not exist."""
    if not settings.METRICS_TOKEN:
        return problem_response(request, status=404, error="Not found.", code="not_found")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        token.strip().encode(), settings.METRICS_TOKEN.encode()
    ):
        return problem_response(
            request, status=401, error="The token is not valid.", code="invalid_token",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    return HttpResponse(text(), content_type=CONTENT_TYPE_LATEST)


def text() -> bytes:
    """All figures that this process knows of."""
    shown = CollectorRegistry()
    if settings.PROMETHEUS_MULTIPROC_DIR:
        _forget_dead(Path(settings.PROMETHEUS_MULTIPROC_DIR))
        MultiProcessCollector(shown, path=settings.PROMETHEUS_MULTIPROC_DIR)  # type: ignore[no-untyped-call]  # it has no types
    else:
        shown.register(_OfThisProcess())
    shown.register(StoredFigures())
    return generate_latest(shown)


class _OfThisProcess(Collector):
    def collect(self) -> Iterable[Metric]:
        return REGISTRY.collect()


def _forget_dead(directory: Path) -> None:
    """What a process says of its present state counts while it lives, however it ended."""
    for file in directory.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not _is_alive(int(pid)):
            file.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
