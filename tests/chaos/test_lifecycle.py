"""Tenants leave and arrive while the product runs: a second installation, a server of the usual size."""

import os
import pty
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from scripts.stack.binaries import ensure_binaries
from scripts.stack.paths import PYTHON, ROOT
from tests.chaos.load import ITEM, under_load
from tests.chaos.system import System

# What PostgreSQL comes with.
_USUAL = {"max_locks_per_transaction": "64", "max_connections": "100"}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_PASSWORD = "another horse battery staple"
_TENANTS = 20
_TABLES, _INDEXES = 350, 20


@pytest.fixture(scope="module")
def second() -> Iterator[System]:
    """Another installation with servers, logins, keys, acme and globex of its own."""
    path = Path(tempfile.mkdtemp(prefix="freehold-second-")).resolve()
    system = System(
        path / "state", binaries=ensure_binaries(), prefix="second", server_settings=_USUAL | _NOT_DURABLE
    )  # fmt: skip
    try:
        system.start()
        yield system
    finally:
        system.stop()
        shutil.rmtree(path)


def rows(system: System, schema: str) -> dict[str, list[Any]]:
    """Of every table but the outbox and the history of migrations; and where its sequences are."""
    found: dict[str, list[Any]] = {}
    with system.connect() as connection:
        relations = connection.execute(
            "SELECT relname, relkind FROM pg_class WHERE relnamespace = %s::regnamespace"
            " AND relkind IN ('r', 'S') AND relname !~ '^(audit_outbox|django_migrations)'",
            [schema],
        ).fetchall()
        for name, kind in relations:
            row = sql.SQL("last_value, is_called") if kind == "S" else sql.SQL("t::text")
            query = sql.SQL("SELECT {} FROM {} t ORDER BY 1").format(
                row, sql.Identifier(schema, name)
            )
            found[name] = connection.execute(query).fetchall()
    return found


def members(system: System, slug: str) -> list[Any]:
    return system.ask(
        "SELECT u.email, r.role FROM accounts_usertenantrole r JOIN accounts_user u ON u.id = r.user_id"
        " JOIN tenants_tenant t ON t.id = r.tenant_id WHERE t.slug = %s ORDER BY 1",
        slug,
    )


def files(system: System, slug: str) -> dict[str, bytes]:
    ((number,),) = system.ask("SELECT id FROM tenants_tenant WHERE slug = %s", slug)
    root = system.state.files / f"tenant-{number.hex}"
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def draft_and_issue(client: httpx.Client, vendor: str) -> int:
    body = {"vendor": vendor, "currency": "EUR", "items": [ITEM]}
    draft = client.post("invoices/", json=body).json()
    return int(client.post(f"invoices/{draft['id']}/issue/").json()["number"])


def set_password(system: System, email: str, password: str) -> None:
    """`manage.py changepassword`, typed at a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PYTHON, "manage.py", "changepassword", email], cwd=ROOT,
        env={**os.environ, **system.environment},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: os.login_tty(0),
    ) as process:  # fmt: skip
        os.close(theirs)
        said = ""
        for prompt in ("Password: ", "Password (again): "):
            while not said.endswith(prompt):
                said += os.read(ours, 1024).decode()
            os.write(ours, f"{password}\n".encode())
            said = ""
        assert process.wait(60) == 0
        os.close(ours)


def test_restored_in_a_second_installation(running: System, second: System, tmp_path: Path) -> None:
    """Everything is there, and nothing of the first is needed, or good, in the second."""
    admin = running.person("acme", "admin")
    vendor = admin.post("vendors/", json={"name": "Papier\t& Söhne"}).json()["id"]
    numbers = [draft_and_issue(admin, vendor) for _ in range(3)]
    carol = {"email": "carol@acme.example", "role": "editor", "password": _PASSWORD}
    assert admin.post("users/", json=carol).status_code == 201
    ((carol_id,),) = running.ask("SELECT id FROM accounts_user WHERE email = %s", carol["email"])
    folder = running.state.files / f"tenant-{_id(running, 'acme').hex}" / "reports"
    folder.mkdir(parents=True)
    (folder / "ä.bin").write_bytes(os.urandom(5000))
    archive = str(tmp_path / "acme.tar.gz")

    exported = running.manage("tenant", "export", "acme", "-o", archive)
    occupied = second.manage("tenant", "restore", archive)
    gone = second.manage(
        "tenant", "delete", "acme", "--now", "--confirm", "acme", "--without-backup", "acme"
    )
    restored = second.manage("tenant", "restore", archive)

    assert [exported.returncode, gone.returncode, restored.returncode] == [0, 0, 0], (
        exported.stderr + gone.stderr + restored.stderr
    )
    assert (occupied.returncode, occupied.stdout) == (1, ""), "there was one of its own"
    assert {name for name in ("SECRET_KEY", "JWT_SIGNING_KEYS", "DATABASE_URL")
            if running.environment[name] == second.environment[name]} == set()  # fmt: skip
    assert second.environment["DATABASE_URL"].startswith("postgresql://second_app:")
    original = rows(running, "t_acme")
    assert len(original["invoicing_invoice"]) >= 3
    assert rows(second, "t_acme") == original
    assert files(second, "acme") == files(running, "acme")
    assert members(second, "acme") == members(running, "acme")
    assert _id(second, "acme") != _id(running, "acme")
    # Who was there is found by the address and keeps id and password; carol came with hers.
    assert second.ask(
        "SELECT id, password LIKE '!%%' FROM accounts_user WHERE email = %s", carol["email"]
    ) == [(carol_id, True)]
    known = "SELECT id FROM accounts_user WHERE email = 'admin@acme.example'"
    assert second.ask(known) != running.ask(known)
    token = {"authorization": admin.headers["authorization"]}
    assert second.visitor("acme").get("vendors/", headers=token).status_code == 401
    assert _sign_in(second, carol["email"]) == 401

    set_password(second, carol["email"], _PASSWORD)

    there = second.person("acme", credentials={"email": carol["email"], "password": _PASSWORD})
    names = [found["name"] for found in there.get("vendors/").json()["results"]]
    assert "Papier\t& Söhne" in names
    assert draft_and_issue(there, vendor) == max(numbers) + 1, "the numbering goes on"
    assert _sign_in(second, "admin@globex.example", slug="globex") == 401, "not carol's"


def _id(system: System, slug: str) -> Any:
    ((number,),) = system.ask("SELECT id FROM tenants_tenant WHERE slug = %s", slug)
    return number


def _sign_in(system: System, email: str, slug: str = "acme") -> int:
    credentials = {"email": email, "password": _PASSWORD}
    return system.visitor(slug).post("auth/login/", json=credentials).status_code


@pytest.fixture(scope="module")
def crowd(second: System) -> list[str]:
    """Twenty tenants more, one with several hundred tables."""
    slugs = [f"crowd-{number:02}" for number in range(_TENANTS)]
    entries = "".join(
        f"  - {{slug: {slug}, name: {slug}, domains: [{slug}.localhost], admins: [a@{slug}.example],"
        " auth: {backend: database, secrets: {admin_password: {env: CROWD}}}}\n"
        for slug in slugs
    )
    file = second.state.path / "tenants.yaml"
    file.write_text(f"apiVersion: freehold/v1\ntenants:\n{entries}")
    made = second.manage(
        "tenant", "apply", "-f", str(file), "--yes", environment={"CROWD": _PASSWORD}
    )
    assert made.returncode == 0, made.stderr
    columns = ", ".join(f"c{number} int UNIQUE" for number in range(_INDEXES))
    with second.connect() as connection:
        connection.autocommit = True
        connection.execute("SET ROLE second_owner")
        for number in range(_TABLES):
            table = f"t_crowd_00.big_{number} (id serial PRIMARY KEY, note text, {columns})"
            connection.execute(f"CREATE TABLE {table}")  # type: ignore[arg-type]  # our own text
    return slugs


def test_a_tenant_with_many_tables_is_deleted_under_load(
    second: System, crowd: list[str], tmp_path: Path
) -> None:
    with second.connect() as connection:
        limits = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name DESC"
        assert connection.execute(limits, [list(_USUAL)]).fetchall() == list(_USUAL.items())
        connection.execute("SET ROLE second_owner")
        with pytest.raises(psycopg.errors.OutOfMemory, match="out of shared memory"):
            connection.execute("DROP SCHEMA t_crowd_00 CASCADE")
        connection.rollback()
    log = second.postgres.directory.log
    quiet = log.stat().st_size
    passwords = {slug: {"email": f"a@{slug}.example", "password": _PASSWORD} for slug in crowd}

    with ExitStack() as working:
        loads = [
            working.enter_context(
                under_load(
                    [second.person(slug, credentials=passwords[slug])],
                    [second.person(slug, credentials=passwords[slug])],
                )
            )
            for slug in crowd[1:5]
        ]
        second.wait_until(lambda: all(load.successes() > 10 for load in loads), seconds=30)
        deleted = second.manage(
            "tenant", "delete", "crowd-00", "--now", "--confirm", "crowd-00",
            "--backup", str(tmp_path / "backup"),
        )  # fmt: skip
        worked = [load.successes() for load in loads]
        second.wait_until(
            lambda: all(
                load.successes() > before + 5 for load, before in zip(loads, worked, strict=True)
            ),
            seconds=30,
        )

    assert (deleted.returncode, deleted.stdout) == (0, "crowd-00: deleted\n"), deleted.stderr
    for load in loads:
        assert load.failures == []
        assert [answer.status_code for answer in load.answers if not answer.is_success] == []
    said = log.read_bytes()[quiet:].decode(errors="replace")
    assert re.findall(r"(?:out of shared memory|deadlock|PANIC|FATAL).*", said) == []
    assert second.ask("SELECT 1 FROM pg_namespace WHERE nspname = 't_crowd_00'") == []
    assert second.ask("SELECT 1 FROM tenants_tenant WHERE slug = 'crowd-00'") == []
    ended = second.manage("tenant", "verify-archive", str(tmp_path / "backup"), "--json")
    assert ended.returncode == 0
    ((apps_own,),) = second.ask(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 't_globex'"
        " AND tablename NOT IN ('audit_outbox', 'django_migrations')"
    )
    assert f'"tables": {_TABLES + apps_own},' in ended.stdout
