"""What Prometheus is shown: right over processes, bounded, and for nobody else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from shared_apps.core.context import TenantIdentity
from shared_apps.core.metrics import exposition, tenant_label
from tests.concurrency import at_once
from tests.figures import TOKEN, Figures
from tests.installation import Installation
from tests.server import serving

_COUNT = "freehold_http_request_duration_seconds_count"
_OF_TENANTS = "freehold_tenant_request_duration_seconds_count"


def test_two_workers_and_a_hundred_requests_are_a_hundred(
    acme: TenantIdentity, globex: TenantIdentity, system: Installation, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "METRICS_TOKEN": TOKEN, "METRICS_LISTEN": listen,
        "METRICS_TENANTS": "all", "METRICS_TENANTS_MOST": "1", "SERVER_TIMING": "true",
    }  # fmt: skip
    with serving(workers=2, environment=environment) as server:
        base = f"http://127.0.0.1:{server.port}"

        def ask(tenant: TenantIdentity, path: str = "/api/v1/version-info/") -> httpx.Response:
            # A connection each, so that both workers have their share.
            return httpx.get(f"{base}{path}", headers={"Host": server.host(tenant)})

        assert ask(acme).status_code == 200

        def many(tenant: TenantIdentity, times: int) -> None:
            for _ in range(times):
                ask(tenant)

        at_once([lambda: many(acme, 33), lambda: many(acme, 33), lambda: many(globex, 33)])
        assert ask(acme, "/api/v1/vendors/0f8fad5b-d9cd-469f-a165-70867728950e/").status_code == 401

        signed_in = httpx.post(
            f"{base}/api/v1/auth/login/", headers={"Host": server.host(acme)},
            json={"email": "admin@acme.example", "password": system.password},
        )  # fmt: skip
        refused = httpx.post(
            f"{base}/api/v1/auth/login/", headers={"Host": server.host(acme)},
            json={"email": "admin@acme.example", "password": "wrong"},
        )  # fmt: skip
        # How long a refusal took tells whether there is such a person.
        assert (refused.status_code, "Server-Timing" in refused.headers) == (401, False)
        assert signed_in.headers["Server-Timing"].startswith("app;dur=")

        for figures in (Figures.at(f"{base}/metrics"), Figures.at(f"http://{listen}/metrics")):
            route = {"route": "v1:version-info", "method": "GET", "status": "2xx"}
            assert figures.get(_COUNT, **route) == 100
            assert figures.total(_COUNT, route="v1:invoicing:vendor-detail", status="4xx") == 1
            assert figures.get(_OF_TENANTS, tenant="acme", status="2xx") == 68
            assert figures.get(_OF_TENANTS, tenant="other", status="2xx") == 33
            assert figures.labels(_OF_TENANTS, "tenant") == {"acme", "other"}
            assert figures.get("freehold_sign_ins_total", outcome="signed_in") == 1
            assert figures.total("freehold_http_refusals_total", status="401") == 2
            assert figures.get("freehold_tenants", state="active") == 2
            assert figures.get("freehold_stored_figures_up", source="fleet") == 1
            assert figures.get("freehold_database_connections_in_use") is not None
        assert httpx.get(f"http://{listen}/").status_code == 404

        for host, headers, status in (
            (f"localhost:{server.port}", {}, 401),
            (f"localhost:{server.port}", {"Authorization": "Bearer wrong"}, 401),
            (f"localhost:{server.port}", {"Authorization": f"Basic {TOKEN}"}, 401),
            (server.host(acme), {"Authorization": f"Bearer {TOKEN}"}, 404),
            (server.host(globex), {}, 404),
        ):
            answer = httpx.get(f"{base}/metrics", headers={"Host": host, **headers})
            assert (answer.status_code, "freehold_" in answer.text) == (status, False), host


def test_without_a_token_there_is_no_such_address(acme: TenantIdentity) -> None:
    with serving(environment={"METRICS_TOKEN": ""}) as server:
        answer = httpx.get(
            f"http://127.0.0.1:{server.port}/metrics",
            headers={"Host": "localhost", "Authorization": "Bearer x"},
        )
    assert answer.status_code == 404


def test_processes_agree_on_who_has_a_label(
    tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    settings.METRICS_TENANTS, settings.METRICS_TENANTS_MOST = "all", 2
    settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path)
    first, second = tenant_label.Labels(), tenant_label.Labels()
    assert [first.of("acme"), second.of("globex"), second.of("acme")] == ["acme", "globex", "acme"]
    assert [first.of("initech"), second.of("initech"), first.of("globex")] == [
        "other", "other", "globex",
    ]  # fmt: skip
    settings.METRICS_TENANTS = "initech,acme"
    assert [first.of("initech"), first.of("globex")] == ["initech", "other"]


def test_a_dead_process_has_no_present_state(
    acme: TenantIdentity, tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    program = (
        "from prometheus_client import Counter, Gauge\n"
        "Gauge('g', 'g', multiprocess_mode='livesum').set(5); Counter('c', 'c').inc(3)\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        check=False,
    )
    assert len(list(tmp_path.glob("gauge_livesum_*.db"))) == 1
    settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path)
    shown = exposition.text()
    assert b"c_total 3.0" in shown
    assert b"\ng " not in shown
