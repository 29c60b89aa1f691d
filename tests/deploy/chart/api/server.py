"""The API over HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.deploy.chart.api import patching, protobuf
from tests.deploy.chart.api.store import RESOURCES, Object, Store


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        match parts:
            case ["version"]:
                self._answer({"major": "1", "minor": "32", "gitVersion": "v1.32.0"})
            case ["openapi", *_]:
                self._answer_raw(
                    200, b"", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
                )
            case ["api"]:
                self._answer({"kind": "APIVersions", "versions": ["v1"]})
            case ["apis"]:
                self._answer(_groups())
            case ["api", version]:
                self._answer(_resources(version))
            case ["apis", group, version]:
                self._answer(_resources(f"{group}/{version}"))
            case _:
                self._read(*_named(parts), query)

    def _read(self, resource: str, name: str | None, query: dict[str, str]) -> None:
        if name is not None:
            found = self.store.get(resource, name)
            self._answer(found) if found else self._missing(resource, name)
            return
        labels = dict(
            pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if "=" in pair
        )
        wanted = query.get("fieldSelector", "").removeprefix("metadata.name=")
        if query.get("watch") in ("true", "1"):
            self._watch(resource, wanted, since=int(query.get("resourceVersion") or 0))
            return
        items = [
            thing
            for thing in self.store.list(resource, labels=labels)
            if not wanted or thing["metadata"]["name"] == wanted
        ]
        api, kind = _kind_of(resource)
        metadata = {"resourceVersion": str(self.store.version)}
        self._answer(
            {"kind": f"{kind}List", "apiVersion": api, "metadata": metadata, "items": items}
        )

    def _watch(self, resource: str, name: str, *, since: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        seen = since
        try:
            while not self.server.stopping.is_set():  # type: ignore[attr-defined]
                with self.store.changed:
                    self.store.changed.wait_for(
                        lambda since=seen: self.store.version > since, timeout=0.5
                    )
                    events = [event for event in self.store.events if event.version > seen]
                for event in events:
                    seen = event.version
                    if event.resource == resource and name in (
                        "",
                        event.object["metadata"]["name"],
                    ):
                        line = json.dumps({"type": event.type, "object": event.object}).encode()
                        self.wfile.write(f"{len(line) + 1:x}\r\n".encode() + line + b"\n\r\n")
                        self.wfile.flush()
        except OSError:
            pass  # helm has seen enough
        self.close_connection = True

    def do_POST(self) -> None:
        resource, _ = _named(urlsplit(self.path).path.strip("/").split("/"))
        thing = self._body(resource)
        if self.store.get(resource, thing["metadata"]["name"]):
            self._refuse(409, "AlreadyExists", f"{thing['metadata']['name']} is there already")
            return
        api, kind = _kind_of(resource)
        if kind == "Service":
            thing["spec"].setdefault("clusterIP", "10.96.0.10")
        self._answer(self.store.put(resource, {"apiVersion": api, "kind": kind, **thing}), 201)

    def do_PUT(self) -> None:
        resource, _ = _named(urlsplit(self.path).path.strip("/").split("/"))
        thing = self._body(resource)
        self._answer(self.store.put(resource, thing))

    def do_PATCH(self) -> None:
        resource, name = _named(urlsplit(self.path).path.strip("/").split("/"))
        assert name is not None
        patch = self._body(resource)
        found = self.store.get(resource, name)
        if found is None:
            self._missing(resource, name)
            return
        strategic = "strategic" in self.headers["Content-Type"]
        self._answer(self.store.put(resource, patching.merge(found, patch, strategic=strategic)))

    def do_DELETE(self) -> None:
        self._body("")
        resource, name = _named(urlsplit(self.path).path.strip("/").split("/"))
        assert name is not None
        gone = self.store.delete(resource, name)
        if gone is None:
            self._missing(resource, name)
        else:
            self._answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _body(self, resource: str) -> Any:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if body.startswith(protobuf.MAGIC):
            return protobuf.decode_secret(body) if resource == "secrets" else {}
        return json.loads(body) if body else {}

    def _missing(self, resource: str, name: str) -> None:
        self._refuse(404, "NotFound", f'{resource} "{name}" not found')

    def _refuse(self, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
        self._answer({**status, "reason": reason, "message": message, "code": code}, code)

    def _answer(self, content: Object, code: int = 200) -> None:
        self._answer_raw(code, json.dumps(content).encode(), "application/json")

    def _answer_raw(self, code: int, content: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""


def _named(parts: list[str]) -> tuple[str, str | None]:
    """Resource and name of `api/v1/namespaces/shop/secrets/name`."""
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    return rest[0], rest[1] if len(rest) > 1 else None


def _kind_of(resource: str) -> tuple[str, str]:
    return next((api, kinds[resource]) for api, kinds in RESOURCES.items() if resource in kinds)


def _groups() -> Object:
    groups = []
    for api in RESOURCES:
        group, _, version = api.rpartition("/")
        if group:
            preferred = {"groupVersion": api, "version": version}
            groups.append({"name": group, "versions": [preferred], "preferredVersion": preferred})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _resources(api: str) -> Object:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    listed = [
        {"name": name, "singularName": kind.lower(), "namespaced": kind != "Namespace", "kind": kind, "verbs": verbs}
        for name, kind in RESOURCES.get(api, {}).items()
    ]  # fmt: skip
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": listed}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone has seen enough."""


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """Where it answers."""
    handler = type("Handler", (_Handler,), {"store": store})
    server = _Server(("127.0.0.1", 0), handler)
    server.stopping = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.stopping.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
