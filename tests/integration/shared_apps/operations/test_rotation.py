"""Secrets are changed while the product runs."""

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings

from shared_apps.authn import configuring as sign_in
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import configuring as mail_servers
from shared_apps.mail import sealing
from shared_apps.mail import services as mail
from shared_apps.mail.choices import MailKind
from shared_apps.mail.configuring import MailServer
from shared_apps.mail.models import OutgoingMail
from tests.installation import Installation
from tests.integration.shared_apps.operations.console import run
from tests.server import Server, serving
from tests.waiting import wait_until

ROTATED = ("DATABASE_URL", "AUDIT_READER_DATABASE_URL", "RELAY_DATABASE_URL")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Visitors:
    """What people of both tenants were answered."""

    statuses: list[int] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)


@contextmanager
def visiting(server: Server, system: Installation) -> Iterator[Visitors]:
    """They list vendors and read the trail, one after another."""
    found, stopping = Visitors(), threading.Event()

    def visit(slug: str) -> None:
        headers = {"Host": f"{slug}.localhost"}
        address = f"http://127.0.0.1:{server.port}/api/v1"
        with httpx.Client(headers=headers, timeout=20) as client:
            body = {"email": f"admin@{slug}.example", "password": system.password}
            token = client.post(f"{address}/auth/login/", json=body).json()["access"]
            client.headers["Authorization"] = f"Bearer {token}"
            while not stopping.is_set():
                for path in ("vendors/", "audit/entries/"):
                    try:
                        found.statuses.append(client.get(f"{address}/{path}").status_code)
                    except Exception as error:
                        found.failures.append(error)

    threads = [threading.Thread(target=visit, args=(slug,)) for slug in ("acme", "globex") * 2]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    netloc = f"{parts.username}:{quote(password, safe='')}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc))


def write(path: Path, text: str) -> None:
    """At once: nobody reads half of it."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.rename(path)


def new_sessions(since: datetime) -> int:
    with psycopg.connect(settings.ADMIN_DATABASE_URL) as admin:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND backend_start > %s"
            " AND application_name = 'freehold web'",
            [settings.DATABASES["default"]["USER"], since],
        ).fetchone()
        return row[0] if row else 0


def clock() -> datetime:
    with psycopg.connect(settings.ADMIN_DATABASE_URL) as admin:
        row = admin.execute("SELECT clock_timestamp()").fetchone()
        assert row
        return datetime.fromisoformat(str(row[0]))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Files with the URLs; the former passwords are back afterwards."""
    urls = {name: os.environ[name] for name in ROTATED}
    paths = {name: tmp_path / name for name in ROTATED}
    for name, path in paths.items():
        path.write_text(urls[name])
    with override_settings(DATABASE_URL_FILES=tuple(map(str, paths.values()))):
        yield paths
        for name, path in paths.items():
            write(path, urls[name])
        assert run("secrets", "passwords").code == 0
        connections.close_all()


def test_passwords_are_changed_under_load_and_no_request_fails(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, files: dict[str, Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    environment = {
        **{f"{name}_FILE": str(path) for name, path in files.items()},
        **dict.fromkeys(files, ""),
        # So that connections are replaced all the time.
        "DATABASE_TENANTS_PER_CONNECTION": "1",
        "DATABASE_POOL_SIZE": "2",
        "RATE_LIMIT_PERSON": "100000",
    }
    with (
        serving(workers=1, environment=environment, log=tmp_path / "web.log") as server,
        visiting(server, system) as visitors,
    ):
        wait_until(lambda: len(visitors.statuses) > 20, "people are at work", timeout=60)
        for _ in range(2):
            for path in files.values():
                write(path, with_password(path.read_text(), secrets.token_urlsafe(24)))
            changed = run("secrets", "passwords", "--json")
            assert changed.code == 0, changed.out
            since, before = clock(), len(visitors.statuses)
            wait_until(lambda: new_sessions(since) > 0, "a session is begun", timeout=60)  # noqa: B023  # in this turn
            wait_until(lambda: len(visitors.statuses) > before + 20, "they go on", timeout=60)  # noqa: B023  # in this turn
    assert visitors.failures == []
    assert set(visitors.statuses) == {200}
    for path in files.values():
        password = urlsplit(path.read_text()).password or "-"
        assert password not in (tmp_path / "web.log").read_text()
        # What was valid before is not any more.
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(os.environ[path.name])


def test_a_password_that_is_wrong_in_its_file_too_is_told_and_not_tried_for_ever(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, files: dict[str, Path]
) -> None:
    write(files["RELAY_DATABASE_URL"], with_password(os.environ["RELAY_DATABASE_URL"], "another"))

    done = run("secrets", "status", "--json")

    refused = [login for login in done.json["logins"] if not login["is_accepted"]]
    assert (done.code, [login["setting"] for login in refused]) == (1, ["RELAY_DATABASE_URL"])
    assert "cannot be reached" in refused[0]["reason"]
    assert "another" not in done.out + done.err
    started = time.monotonic()
    system.relay()  # the one that it was started with is right
    assert time.monotonic() - started < 30


def test_everything_sealed_is_sealed_anew_and_the_former_keys_can_go(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex):
        server = MailServer(host="mail.example", sender=f"no-reply@{tenant.slug}.example", user="u")
        mail_servers.configure(tenant_id=tenant.id, server=server, password="open sesame", at=NOW)
        variables = {"link": "https://x.example", "minutes": "30", "name": "x"}
        mail.post_mail(
            tenant_id=tenant.id, kind=MailKind.PASSWORD_RESET, recipient="a@x.example",
            variables=variables, at=NOW,
        )  # fmt: skip
    system.relay()
    keys = {
        "AUTH_ENCRYPTION_KEYS": {"new": "n" * 50, **settings.AUTH_ENCRYPTION_KEYS},
        "SECRET_KEY": "k" * 50,
        "SECRET_KEY_FALLBACKS": [settings.SECRET_KEY],
    }
    former = next(iter(settings.AUTH_ENCRYPTION_KEYS))
    try:
        with override_settings(**keys):
            before = {
                (k["setting"], k["id"]): k for k in run("secrets", "status", "--json").json["keys"]
            }
            done = run("secrets", "reseal", "--json")
            again = run("secrets", "reseal", "--json")
            after = {
                (k["setting"], k["id"]): k for k in run("secrets", "status", "--json").json["keys"]
            }
        with override_settings(
            AUTH_ENCRYPTION_KEYS={"new": "n" * 50}, SECRET_KEY="k" * 50, SECRET_KEY_FALLBACKS=[]
        ):
            assert run("secrets", "status").code == 0
            present = mail_servers.list_present(tenant_ids=[acme.id, globex.id])
            with context.operator():
                texts = [sealing.opened(m.body) for m in OutgoingMail.objects.all()]
    finally:
        with context.operator():
            OutgoingMail.objects.all().delete()

    assert (done.json["mail_servers"], done.json["mails"]) == (2, 2)
    assert set(again.json.values()) == {0}
    assert before["AUTH_ENCRYPTION_KEYS", former]["advice"] == "manage.py secrets reseal"
    assert before["SECRET_KEY_FALLBACKS", "1 former"]["uses"] == 2
    assert after["AUTH_ENCRYPTION_KEYS", former]["advice"] == "take it out"
    assert after["SECRET_KEY_FALLBACKS", "1 former"]["uses"] == 0
    assert {found.password for found in present.values()} == {"open sesame"}
    assert len(texts) == 2


def test_a_key_that_was_taken_out_too_early_is_named(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex):
        server = MailServer(host="mail.example", sender=f"no-reply@{tenant.slug}.example", user="u")
        mail_servers.configure(tenant_id=tenant.id, server=server, password="open sesame", at=NOW)
    former = next(iter(settings.AUTH_ENCRYPTION_KEYS))

    with override_settings(AUTH_ENCRYPTION_KEYS={"new": "n" * 50}):
        status = run("secrets", "status")
        resealed = run("secrets", "reseal")

    assert (status.code, resealed.code) == (1, 1)
    assert f"AUTH_ENCRYPTION_KEYS  {former}" in status.out
    assert "put it back after the one in use" in status.out
    assert "open sesame" not in status.out + resealed.err
    assert sign_in.count_by_key() == {}
