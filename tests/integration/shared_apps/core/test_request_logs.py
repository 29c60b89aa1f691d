"""What the product's processes write: lines of JSON, one request to be followed through all of them, and no secret."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from tests import probes
from tests.installation import Installation
from tests.server import Server, serving
from tests.waiting import wait_until
from tests.workers import running_worker

_IBAN, _CARD = "DE89370400440532013000", "4111111111111111"


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def _access(log: Path, request_id: str) -> list[dict[str, Any]]:
    return [
        line
        for line in _lines(log)
        if line["logger"] == "freehold.access" and line.get("request_id") == request_id
    ]


def _send(
    server: Server, tenant: TenantIdentity, method: str, path: str, **options: Any
) -> httpx.Response:
    headers = {"Host": server.host(tenant), **options.pop("headers", {})}
    return httpx.request(
        method, f"http://127.0.0.1:{server.port}{path}", headers=headers, **options
    )


def test_one_request_is_followed_through_all_that_it_does(
    acme: TenantIdentity, globex: TenantIdentity, system: Installation, tmp_path: Path
) -> None:
    log, queries = tmp_path / "web.log", tmp_path / "queries.log"
    environment = {
        "LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG", "QUERY_LOG_MODE": "full", "QUERY_LOG_FILE": str(queries),
    }  # fmt: skip
    people = {acme: "editor@acme.example", globex: "viewer@globex.example"}
    secrets = [system.password, *people.values(), _IBAN, _CARD]
    with serving(workers=2, environment=environment, log=log, log_level="info") as server:
        for tenant, email in people.items():
            signed_in = _send(
                server, tenant, "POST", "/api/v1/auth/login/",
                json={"email": email, "password": system.password},
            )  # fmt: skip
            tokens = signed_in.json()
            secrets += [tokens["access"], tokens["refresh"]]
            listed = _send(
                server, tenant, "GET", f"/api/v1/vendors/?search={_IBAN}+{_CARD}&page=1",
                headers={
                    "Authorization": f"Bearer {tokens['access']}",
                    "X-Request-ID": f"trace-{tenant.slug}",
                    "Cookie": f"sid={tokens['refresh']}",
                },
            )  # fmt: skip
            assert (listed.status_code, listed.headers["X-Request-ID"]) == (
                200,
                f"trace-{tenant.slug}",
            )
            refused = _send(
                server, tenant, "POST", "/api/v1/auth/login/",
                json={"email": email, "password": "wrong horse"},
                headers={"X-Request-ID": f"refused-{tenant.slug}"},
            )  # fmt: skip
            assert refused.status_code == 401
        secrets.append("wrong horse")
        missing = _send(
            server, acme, "GET", "/no/such/page", headers={"X-Request-ID": "evil\tid" + "x" * 200}
        )
    lines = _lines(log)
    assert {"timestamp", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    assert {line["logger"].split(".")[0] for line in lines} >= {"gunicorn", "freehold"}
    for tenant in people:
        [line] = _access(log, f"trace-{tenant.slug}")
        assert re.fullmatch(r"[0-9a-f-]{36}", line["user_id"])
        shown = {
            name: line[name] for name in ("tenant", "method", "path", "query", "status", "route")
        }
        assert shown == {
            "tenant": tenant.slug, "method": "GET", "path": "/api/v1/vendors/",
            "query": "search=*&page=*", "status": 200,
            "route": "v1:invoicing:vendor-list",
        }  # fmt: skip
        assert line["bytes"] == 52
        assert line["duration_ms"] > 0
        [refusal] = [
            line
            for line in lines
            if line.get("request_id") == f"refused-{tenant.slug}"
            and line["logger"] == "shared_apps.authn.views"
        ]
        assert (refusal["tenant"], refusal["level"]) == (tenant.slug, "warning")
        told = [json.loads(line) for line in queries.read_text().splitlines()]
        assert {
            line["tenant"] for line in told if line["request_id"] == f"trace-{tenant.slug}"
        } == {tenant.slug, "-operator-"}
    [unknown] = _access(log, missing.headers["X-Request-ID"])
    assert (unknown["status"], unknown["tenant"], "route" in unknown) == (404, "acme", False)
    written = log.read_text()
    assert [secret for secret in secrets if secret in written] == []


@pytest.mark.parametrize("pool", ["prefork"])
def test_a_task_goes_on_with_the_requests_id(
    pool: str, acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path
) -> None:
    with running_worker(
        pool,
        queue="test-json-logs",
        directory=tmp_path,
        environment={"LOG_FORMAT": "json"},
        options=("--quiet",),
    ) as worker:
        for tenant in (acme, globex):
            who = attribution.Attribution(request_id=f"req-{tenant.slug}")
            with context.tenant(tenant), attribution.acting(who):
                result = probes.log_marker.apply_async(queue=worker.queue)
            wait_until(
                lambda id=result.id: any("succeeded" in line for line in worker.lines(id)),
                "the task to end",
            )
            lines = [json.loads(line[line.index("{") :]) for line in worker.lines(result.id)]
            [marker] = [line for line in lines if line["message"] == f"marker of {tenant.slug}"]
            assert (marker["tenant"], marker["request_id"], marker["task_id"]) == (
                tenant.slug, f"req-{tenant.slug}", result.id,
            )  # fmt: skip
            assert all("data" not in line for line in lines)
        everything = worker.lines()
    assert all(line.startswith("{") for line in everything)
    assert len(everything) == len(set(everything))
