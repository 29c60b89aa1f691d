"""A port of its own for Prometheus, in every process: whichever takes a connection answers for all of them."""

import logging
import threading
from collections.abc import Callable, Iterable
from socket import AF_INET, AF_INET6
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from shared_apps.core.metrics import exposition

logger = logging.getLogger(__name__)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # The processes of one program listen side by side; one that dies takes nothing with it.
    allow_reuse_port = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.warning("A request for figures was broken off")


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds for somebody to ask

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def start() -> None:
    """Listen at METRICS_LISTEN, if there is one. After a fork, never before: a thread stays behind."""
    if not settings.METRICS_LISTEN:
        return
    host, _, port = settings.METRICS_LISTEN.rpartition(":")
    host = host.strip("[]")
    kind = type("Server", (_Server,), {"address_family": AF_INET6 if ":" in host else AF_INET})
    try:
        server = kind((host, int(port)), _Handler)
    except OSError as error:
        # The product works without being looked at.
        logger.warning("No figures at %s: %s", settings.METRICS_LISTEN, error.strerror)
        return
    server.set_app(_answer)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _answer(environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environment["REQUEST_METHOD"] != "GET" or environment["PATH_INFO"] != "/metrics":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Figures are at /metrics.\n"]
    text = exposition.text()
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
    return [text]
