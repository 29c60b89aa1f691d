"""What `helm test` runs in the product's image: a tenant's whole life, by the ways that its people and operators take.

Makes a tenant, signs in over HTTP, writes, has a worker carry out a task, reads the audit entry and deletes the tenant.
"""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

URL = os.environ["FREEHOLD_TEST_URL"]
SECONDS = float(os.environ.get("FREEHOLD_TEST_SECONDS", "180"))
SLUG = f"helm-test-{secrets.token_hex(3)}"
HOST = f"{SLUG}.{os.environ['PUBLIC_HOST']}"
ADDRESS = f"admin@{SLUG}.example"
PASSWORD = secrets.token_urlsafe(24)


class Refused(Exception):
    """What did not work, in one line."""


def main() -> None:
    try:
        step("make a tenant", make_tenant)
        access = step("sign in", sign_in)
        vendor = step("write", lambda: post("vendors/", {"name": "Paper AG"}, access=access)["id"])
        step("run a task", run_task)
        step("read the audit entry", lambda: read_entry(vendor, access=access))
    finally:
        step("delete the tenant", delete_tenant)


def step(name: str, work: Any) -> Any:
    started = time.monotonic()
    try:
        result = work()
    except Refused as error:
        sys.exit(f"FAILED {name}: {error}")
    print(f"ok     {name} ({time.monotonic() - started:.1f} s)", flush=True)
    return result


def make_tenant() -> None:
    declaration = {
        "apiVersion": "freehold/v1",
        "tenants": [
            {
                "slug": SLUG,
                "name": "Helm test",
                "domains": [HOST],
                "admins": [ADDRESS],
                "auth": {
                    "backend": "database",
                    "secrets": {"admin_password": {"env": "FREEHOLD_TEST_PASSWORD"}},
                },
            }
        ],
    }
    file = Path("/tmp") / f"{SLUG}.yaml"
    file.write_text(yaml.safe_dump(declaration))
    manage("tenant", "apply", "-f", str(file), "--yes")


def sign_in() -> str:
    credentials = {"email": ADDRESS, "password": PASSWORD}
    return str(until(lambda: post("auth/login/", credentials).get("access"), "no answer"))


def run_task() -> None:
    import django

    django.setup()
    from celery import current_app
    from celery.exceptions import TimeoutError as TookTooLong

    from config import celery
    from shared_apps.core import context
    from shared_apps.tenants import selectors

    celery.app.loader.import_default_modules()
    with context.tenant(selectors.get_tenant(slug=SLUG).identity):
        sent = current_app.tasks["invoicing.check_books"].apply_async()
    try:
        answer = sent.get(timeout=SECONDS)
    except TookTooLong:
        raise Refused("no worker has carried it out") from None
    if answer["findings"]:
        raise Refused(f"the books are wrong: {answer}")


def read_entry(vendor: str, *, access: str) -> None:
    def found() -> bool:
        entries = call(f"audit/entries/?record_id={vendor}", access=access)["results"]
        return [entry["operation"] for entry in entries] == ["CREATE"]

    until(found, "the relay has not moved it")


def delete_tenant() -> None:
    manage("tenant", "delete", SLUG, "--now", "--confirm", SLUG, "--without-backup", SLUG)


def manage(*arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env={**os.environ, "FREEHOLD_TEST_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if ended.returncode:
        lines = (ended.stderr or ended.stdout).strip().splitlines() or ["no output"]
        raise Refused(f"manage.py {' '.join(arguments[:2])}: {lines[-1]}")


def post(path: str, body: dict[str, Any], *, access: str = "") -> dict[str, Any]:
    return call(path, access=access, body=json.dumps(body).encode())


def call(path: str, *, access: str = "", body: bytes | None = None) -> dict[str, Any]:
    # As the proxy that ends TLS says it; believed of trustedProxies alone.
    headers = {"Host": HOST, "X-Forwarded-Proto": "https", "Content-Type": "application/json"}
    if access:
        headers["Authorization"] = f"Bearer {access}"
    request = urllib.request.Request(f"{URL}/api/v1/{path}", data=body, headers=headers)
    try:
        with OPENER.open(request, timeout=30) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if 300 <= error.code < 400:
            raise Refused(
                "it was sent to HTTPS: add the network of the pods to trustedProxies"
            ) from None
        if error.code >= 500 or error.code == 429:
            return {}
        raise Refused(f"{error.code} {error.read(300).decode(errors='replace')}") from None
    except OSError as error:
        raise Refused(f"{URL} does not answer: {error}") from None


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(NoRedirects)


def until(ask: Any, otherwise: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while True:
        if answer := ask():
            return answer
        if time.monotonic() > deadline:
            raise Refused(f"{otherwise} within {SECONDS:.0f} s")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main()
