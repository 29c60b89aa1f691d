"""`tenant check-sign-in`: what a person would meet at a tenant's address, over real HTTP."""

import http.client
import json
import secrets
import ssl
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError

from shared_apps.core.references import SecretMissingError, Secrets
from shared_apps.onboarding.actions.base import Action, Options, secrets_beside, write_json
from shared_apps.onboarding.declaration.reading import read_file
from shared_apps.onboarding.declaration.specs import ADMIN_PASSWORD, TenantSpec
from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState

_SECONDS = 10
_PATH = "/api/v1/auth/login/"


@dataclass(frozen=True, slots=True)
class _Check:
    slug: str
    state: str
    url: str
    ok: bool
    text: str


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--file", required=True, type=Path, help="tenants.yaml")
    parser.add_argument(
        "--url", required=True, help="where the installation answers, such as http://localhost:8000"
    )
    parser.add_argument("--json", action="store_true")


def _check(options: Options, *, stdout: Any, stderr: Any) -> None:
    parts = urlsplit(options["url"])
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandError("--url is http://host[:port] or https://host[:port]")
    sources = secrets_beside(options["file"])
    checks = [
        _examine(spec, options["url"], sources) for spec in read_file(options["file"]).tenants
    ]
    if options["json"]:
        write_json(
            stdout,
            [{"slug": c.slug, "state": c.state, "url": c.url, "ok": c.ok, "text": c.text} for c in checks],
        )  # fmt: skip
    else:
        stdout.write(f"{'tenant':<24} {'state':<11} {'address':<40} sign-in")
        for check in checks:
            said = ("ok: " if check.ok else "FAILED: ") + check.text
            stdout.write(f"{check.slug:<24} {check.state:<11} {check.url:<40} {said}")
    failed = [check.slug for check in checks if not check.ok]
    if failed:
        raise CommandError(f"sign-in fails: {', '.join(failed)}")


def _examine(spec: TenantSpec, base: str, sources: Secrets) -> _Check:
    """With the first administrator's password if the declaration refers to it; else with a wrong one."""
    tenant = selectors.get_tenant(slug=spec.slug)
    parts = urlsplit(base)
    port = f":{parts.port}" if parts.port else ""
    host = f"{spec.domains[0]}{port}"
    url = f"{parts.scheme}://{host}"
    state = TenantState(tenant.state)
    password = _password(spec, sources)
    try:
        status, code = _sign_in(base, host, spec.admins[0], password or secrets.token_urlsafe(24))
    except (OSError, http.client.HTTPException) as error:
        text = f"nothing answers at {base} ({type(error).__name__})"
        return _Check(spec.slug, state.lower(), url, False, text)
    ok, text = _judge(status, code, state=state, has_password=password is not None)
    return _Check(spec.slug, state.lower(), url, ok, text)


def _judge(status: int, code: str, *, state: TenantState, has_password: bool) -> tuple[bool, str]:
    if state != TenantState.ACTIVE:
        return status in (403, 404, 503), f"turned away with {status} {code}".rstrip()
    if has_password and status == 200:
        return True, "the first administrator can sign in"
    if not has_password and status == 401:
        return True, "it answers, and refuses a wrong password"
    if has_password and status == 401:
        # An account that was there before keeps its own password.
        return True, "it answers; the first administrator has another password than the declared"
    return False, f"{status} {code}".rstrip()


def _password(spec: TenantSpec, sources: Secrets) -> str | None:
    reference = spec.auth.secrets.get(ADMIN_PASSWORD)
    try:
        return sources.read(reference) if reference else None
    except SecretMissingError:
        return None


def _sign_in(base: str, host: str, email: str, password: str) -> tuple[int, str]:
    parts = urlsplit(base)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.netloc, timeout=_SECONDS, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=_SECONDS)
    try:
        body = json.dumps({"email": email, "password": password})
        headers = {"Host": host, "Content-Type": "application/json"}
        connection.request("POST", _PATH, body=body, headers=headers)
        answer = connection.getresponse()
        raw = answer.read(100_000)
    finally:
        connection.close()
    try:
        code = json.loads(raw).get("code", "")
    except (ValueError, AttributeError):
        code = ""
    return answer.status, str(code)


ACTIONS = (Action("check-sign-in", "try the sign-in of declared tenants", _check, _add_arguments),)
