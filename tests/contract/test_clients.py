"""Clients that are generated from the document compile, and work against the real server."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.stack.paths import VENV
from shared_apps.core.context import TenantIdentity
from shared_apps.core.openapi import documents
from tests.installation import PASSWORD
from tests.server import serving

_SOURCES = Path(__file__).parent / "clients"
_MODULES = _SOURCES / "node_modules"
_MISSING = "node and TypeScript are missing: npm ci --prefix tests/contract/clients"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    tenant_host = documents.HOSTS["tenant"]
    path.write_bytes(documents.rendered(urlconf=tenant_host, version="v1", form="json"))
    return path


def _done(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(folder), "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_python_client_makes_a_round_trip(
    acme: TenantIdentity, globex: TenantIdentity, document: Path, tmp_path: Path
) -> None:
    said = _done(
        VENV / "bin/openapi-python-client", "generate", "--path", document, "--meta", "none",
        "--output-path", "freehold_client", "--fail-on-warning", folder=tmp_path,
    )  # fmt: skip
    assert "Warning" not in said

    with serving() as server:
        results = [
            json.loads(
                _done(
                    sys.executable,
                    _SOURCES / "round_trip.py",
                    f"http://127.0.0.1:{server.port}",
                    server.host(tenant),
                    f"editor@{tenant.slug}.example",
                    PASSWORD,
                    folder=tmp_path,
                )
            )
            for tenant in (acme, globex)
        ]

    assert results == [
        {
            "refused": "invalid_credentials",
            "tenant": tenant.slug,
            "draft": ["DRAFT", "24.99", None],
            "invoice": ["ISSUED", 1, "3.99"],
            "listed": [True],
        }
        for tenant in (acme, globex)
    ]


def test_a_typescript_client_compiles(document: Path, tmp_path: Path) -> None:
    is_installed = (_MODULES / ".bin/tsc").exists() and shutil.which("node") is not None
    if not is_installed and not os.environ.get("FREEHOLD_REQUIRE_CLIENTS"):
        pytest.skip(_MISSING)
    assert is_installed, _MISSING
    (tmp_path / "node_modules").symlink_to(_MODULES)
    shutil.copy(_SOURCES / "round_trip.ts", tmp_path)

    _done(_MODULES / ".bin/openapi-typescript", document, "-o", "schema.d.ts", folder=tmp_path)
    _done(
        _MODULES / ".bin/tsc", "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext",
        "--lib", "es2022,dom", "round_trip.ts", folder=tmp_path,
    )  # fmt: skip
