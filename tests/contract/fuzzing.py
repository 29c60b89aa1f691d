"""Requests made from the OpenAPI document by schemathesis, against a server with two tenants.

    .venv/bin/python -m tests.contract.fuzzing --seconds 1800

runs against the quickstart that is up (FREEHOLD_STATE_DIR): as acme's administrator, while globex has rows of
its own that must never be seen. The suite makes a short run of it.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from scripts.stack.paths import ROOT, VENV
from scripts.stack.state import State

_CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
_LISTS = ("vendors/", "invoices/", "users/", "auth/sessions/", "audit/entries/")


@dataclass(frozen=True)
class Target:
    url: str
    """Where the server listens."""
    host: str
    email: str
    password: str

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        with httpx.Client(
            base_url=f"{self.url}/api/v1/", headers={"host": self.host}, timeout=60, trust_env=False
        ) as client:
            self._sign_in(client)
            yield client

    def _sign_in(self, client: httpx.Client) -> None:
        answer = client.post("auth/login/", json={"email": self.email, "password": self.password})
        assert answer.status_code == 200, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['access']}"


def fuzz(
    *,
    target: Target,
    foreign: Sequence[str],
    kept: Sequence[str] = (),
    version: str = "v1",
    options: Sequence[str],
) -> subprocess.CompletedProcess[str]:
    """`foreign`: what belongs to others; `kept`: path parameters that nothing is written to."""
    return subprocess.run(
        [
            VENV / "bin/schemathesis", "--config-file", _CONFIGURATION, "run",
            f"{target.url}/api/{version}/schema/", "--header", f"Host: {target.host}",
            "--no-color", *options,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "CONTRACT_URL": target.url,
            "CONTRACT_HOST": target.host,
            "CONTRACT_EMAIL": target.email,
            "CONTRACT_PASSWORD": target.password,
            "CONTRACT_FOREIGN": json.dumps(list(foreign)),
            "CONTRACT_KEPT": json.dumps(list(kept)),
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def rows_of(target: Target) -> list[str]:
    """Ids and names of what a tenant has; makes a vendor and an invoice first, so that there is something."""
    with target.client() as client:
        vendor = client.post("vendors/", json={"name": "Only of this tenant 7f3a"}).json()
        line = {
            "description": "Only here 5c1d",
            "quantity": "1",
            "unit_price": "1",
            "tax_rate": "0",
        }
        client.post("invoices/", json={"vendor": vendor["id"], "currency": "EUR", "items": [line]})
        found = {"Only of this tenant 7f3a", "Only here 5c1d"}
        for address in _LISTS:
            found |= {str(row["id"]) for row in client.get(address).json()["results"]}
    return sorted(found)


def _target(summary: dict[str, Any], slug: str) -> Target:
    tenant = next(tenant for tenant in summary["tenants"] if tenant["slug"] == slug)
    admin = next(user for user in tenant["users"] if user["role"] == "admin")
    port = summary["base_url"].rpartition(":")[2]
    return Target(
        f"http://127.0.0.1:{port}", f"{slug}.localhost:{port}", admin["email"], admin["password"]
    )


# An operator's requests make and stop tenants, so on the public host only those are sent that must be refused,
# and those that read.
PUBLIC_RUNS = (
    ("--include-method", "GET"),
    ("--exclude-method", "GET", "--mode", "negative"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--api-version", default="v1")
    parser.add_argument("--host", choices=("tenant", "public"), default="tenant")
    given, more = parser.parse_known_args()
    summary_file = State.from_environment().path / "quickstart.json"
    if not summary_file.exists():
        print(f"No quickstart has been started in {summary_file.parent}.", file=sys.stderr)
        return 1
    summary = json.loads(summary_file.read_text())
    acme, globex = (_target(summary, slug) for slug in ("acme", "globex"))
    seed = ["--seed", str(given.seed)] if given.seed is not None else []
    runs: list[tuple[str, ...]] = [()]
    target, foreign = acme, rows_of(globex)
    if given.host == "public":
        operator = summary["operator"]
        host = acme.host.partition(".")[2]
        target, foreign = Target(acme.url, host, operator["email"], operator["password"]), []
        runs = list(PUBLIC_RUNS)
    codes = []
    for run in runs:
        done = fuzz(
            target=target,
            foreign=foreign,
            kept=[*(tenant["slug"] for tenant in summary["tenants"])],
            version=given.api_version,
            options=["--max-time", str(given.seconds // len(runs)), *run, *seed, *more],
        )
        print(done.stdout, done.stderr, sep="\n")
        codes.append(done.returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
