"""A tenant's sign-in, declared in tenants.yaml, set by command line and by operators over HTTP."""

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from shared_apps.authn import checks, configuring
from shared_apps.authn.choices import SessionEnd
from shared_apps.authn.configuring import Wanted
from shared_apps.authn.models import AuthConfiguration, Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import selectors
from tests.client import Api
from tests.directories.people_files import SECRET, TenantDirectory, directory_of
from tests.installation import PASSWORD, Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant

ADDRESS = "operator/tenants/globex/auth-backend/"


@pytest.fixture
def directory(globex: TenantIdentity, tmp_path: Path) -> TenantDirectory:
    return directory_of(globex, tmp_path)


@pytest.fixture
def operator(made: None, system: Installation) -> Api:
    client = Api(None)
    client.sign_in("operator@example.com", system.password)
    return client


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_SECRET_FILE", SECRET)


def declared(path: Path, **more: str) -> str:
    """The `auth` of a tenant whose directory is this file."""
    options = {"path": f"'{path}'", "default_role": "viewer", **more}
    told = ", ".join(f"{key}: {value}" for key, value in options.items())
    return (
        f"{{backend: people_file, options: {{{told}}},"
        " secrets: {file_key: {env: TENANT_SECRET_FILE}}, break_glass: [admin@globex.example]}"
    )


def globex_with(auth: str) -> str:
    return tenant("globex", name="Globex", auth=auth)


def login(tenant: str, username: str, password: str) -> Any:
    response = Api(selectors.get_tenant(slug=tenant).identity).post(
        "auth/login/", {"username": username, "password": password}
    )
    return response.status_code


def present(slug: str = "globex") -> AuthConfiguration | None:
    with context.operator():
        return AuthConfiguration.objects.filter(tenant__slug=slug).first()


def fields_of(planned: Any, slug: str = "globex") -> dict[str, tuple[Any, Any]]:
    changes = {change["slug"]: change for change in json.loads(planned.out)["changes"]}
    return {
        found["field"]: (found["old"], found["new"])
        for found in changes.get(slug, {"differences": []})["differences"]
        if found["field"].startswith("auth")
    }


def test_a_tenant_goes_over_to_a_directory_and_back(
    console: Console, directory: TenantDirectory, secret: None
) -> None:
    """The next login uses it, without a restart; nobody of the other tenant notices."""
    alice = directory.account("alice")
    before = [
        login("globex", "editor@globex.example", PASSWORD),
        login("globex", "alice", alice.password),
    ]
    console.declare(globex_with(declared(directory.file.path)))

    planned = console.plan("--json")
    applied = console.apply()
    again = console.apply()
    after = [
        login("globex", "editor@globex.example", PASSWORD),
        login("globex", "alice", alice.password),
        login("globex", "admin@globex.example", PASSWORD),
        login("acme", "editor@acme.example", PASSWORD),
        login("acme", "alice", alice.password),
    ]
    console.declare(globex_with("{backend: database}"))
    back = console.apply()

    assert before == [200, 401]
    assert fields_of(planned) == {
        "auth.backend": ("database", "people_file"),
        "auth.options.path": (None, str(directory.file.path)),
        "auth.options.default_role": (None, "viewer"),
        "auth.secrets.file_key": (None, "new"),
        "auth.break_glass": (None, ["admin@globex.example"]),
    }
    assert applied.code == 0, applied.err
    assert again.out.splitlines()[0] == "no changes"
    assert after == [401, 200, 200, 200, 401]
    assert SECRET not in planned.out + applied.out + applied.err
    assert back.code == 0, back.err
    assert present() is None
    assert login("globex", "editor@globex.example", PASSWORD) == 200
    assert login("globex", "alice", alice.password) == 401


def test_another_secret_is_a_change_and_none_at_hand_is_not(
    console: Console, directory: TenantDirectory, monkeypatch: pytest.MonkeyPatch, secret: None
) -> None:
    console.declare(globex_with(declared(directory.file.path)))
    assert console.apply().code == 0
    monkeypatch.setenv("TENANT_SECRET_FILE", "another")

    planned = console.plan("--json")
    assert console.apply().code == 0
    row = present()
    monkeypatch.delenv("TENANT_SECRET_FILE")
    unknown = console.plan("--json")

    assert fields_of(planned) == {"auth.secrets.file_key": (None, "changed")}
    assert configuring.list_present(tenant_ids=[row.tenant_id])[row.tenant_id].secrets == {
        "file_key": "another"
    }
    assert fields_of(unknown) == {}


def test_a_secret_that_is_missing_is_named_before_anything_changes(
    console: Console, directory: TenantDirectory
) -> None:
    console.declare(globex_with(declared(directory.file.path)))

    applied = console.apply()

    assert applied.code == 1
    assert "tenants.yaml:3: tenants[0].auth.secrets.file_key: the variable TENANT_SECRET_FILE" in (
        applied.err
    )
    assert present() is None


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ("{backend: people_file, options: {path: x}, secrets: {}}", "needs file_key"),
        ("{backend: nothing}", "must be database, "),
        ("{backend: openldap, options: {url: 'ldap://h', base_dn: dc=a, bind_dn: cn=a},"
         " secrets: {bind_password: {env: A}}}", "ldap:// needs start_tls: true"),
        ("{backend: openldap, options: {url: ['ldaps://h', 'http://h'], base_dn: dc=a,"
         " bind_dn: cn=a}, secrets: {bind_password: {env: A}}}", "must be ldaps://host[:port]"),
        ("{backend: openldap, options: {url: 'ldaps://h', base_dn: dc=a, bind_dn: cn=a,"
         " default_role: admin}, secrets: {bind_password: {env: A}}}", "must be editor or viewer"),
        ("{backend: openldap, options: {url: 'ldaps://h', base_dn: dc=a, bind_dn: cn=a,"
         " role_groups: {owner: [a]}}, secrets: {bind_password: {env: A}}}", "unknown key"),
        ("{backend: entra_id, options: {directory_id: 9ab0b9a4-9a4c-4d0e-8a3e-0f5cd7c3a111,"
         " client_id: 9ab0b9a4-9a4c-4d0e-8a3e-0f5cd7c3a111}, secrets: {}}",
         "needs client_secret or client_certificate"),
        ("{backend: people_file, options: {path: x}, secrets: {file_key: {env: A}},"
         " break_glass: [viewer@globex.example]}", "must be one of the tenant's admins"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(console: Console, auth: str, said: str) -> None:
    console.declare(globex_with(auth))

    planned = console.plan()

    assert planned.code == 1
    assert "tenants.yaml:3: tenants[0].auth" in planned.err
    assert said in planned.err
    assert present() is None


def test_a_new_tenant_has_it_from_the_start(
    console: Console, directory: TenantDirectory, secret: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also its first administrator, by break-glass and by the directory: one and the same person."""
    monkeypatch.setenv("FIRST", PASSWORD)
    auth = declared(directory.file.path, link_members="true").replace(
        "admin@globex", "admin@initech"
    )
    auth = auth.replace("secrets: {", "secrets: {admin_password: {env: FIRST}, ")
    console.declare(tenant("initech", auth=auth))
    directory.account("boss", email="admin@initech.example")

    applied = console.apply()

    assert applied.code == 0, applied.err
    made = Api(selectors.get_tenant(slug="initech").identity)
    people = []
    for name, password in (("admin@initech.example", PASSWORD), ("boss", "boss's own password")):
        made.sign_in(name, password)
        people.append((made.tokens["user"]["id"], made.tokens["user"]["roles"]))
    assert people[0] == people[1]
    assert people[0][1] == ["admin"]
    assert set(configuring.list_present(tenant_ids=[made_id()])[made_id()].secrets or {}) == {
        "file_key"
    }


def made_id() -> Any:
    return selectors.get_tenant(slug="initech").id


def test_sessions_of_the_former_directory_end_and_those_of_the_same_do_not(
    globex: TenantIdentity, acme: TenantIdentity, directory: TenantDirectory
) -> None:
    directory.configure(realm="one", default_role="viewer", break_glass=("admin@globex.example",))
    alice = directory.account("alice")
    clients = {name: Api(globex) for name in ("alice", "rescuer")}
    clients["alice"].sign_in("alice", alice.password)
    clients["rescuer"].sign_in("admin@globex.example", PASSWORD)
    bystander = Api(acme, role="editor", password=PASSWORD)
    person = clients["alice"].tokens["user"]["id"]

    def standing() -> list[int]:
        return [client.get("auth/user/").status_code for client in (*clients.values(), bystander)]

    directory.configure(realm="one", default_role="viewer", break_glass=("admin@globex.example",),
                        secret="another")  # fmt: skip
    same = standing()
    directory.configure(realm="two", default_role="viewer", break_glass=("admin@globex.example",))
    other = standing()
    clients["alice"].sign_in("alice", alice.password)
    anew = clients["alice"].tokens["user"]["id"]
    directory.configure(realm="one", default_role="viewer")
    unlisted = standing()
    clients["alice"].sign_in("alice", alice.password)

    assert same == [200, 200, 200]
    assert other == [401, 200, 200]
    assert anew != person
    assert unlisted == [401, 401, 200]
    assert clients["alice"].tokens["user"]["id"] == person
    with context.operator():
        reasons = Session.objects.exclude(revoked_at=None).values_list("revoked_reason", flat=True)
        assert set(reasons) == {SessionEnd.BACKEND_CHANGED}


def test_operators_set_and_try_it_over_http(
    operator: Api, directory: TenantDirectory, secret: None
) -> None:
    alice = directory.account("alice", groups=("cn=staff",), email="alice@globex.example")
    auth = {
        "backend": "people_file",
        "options": {"path": str(directory.file.path), "role_groups": {"editor": ["CN=Staff"]}},
        "secrets": {"file_key": {"env": "TENANT_SECRET_FILE"}},
        "break_glass": ["admin@globex.example"],
    }
    without_secrets = {key: value for key, value in auth.items() if key != "secrets"}

    before = operator.get(ADDRESS)
    put = operator.put(ADDRESS, auth)
    tried = operator.post(f"{ADDRESS}test/", {"username": "alice", "password": alice.password})
    wrong = operator.post(f"{ADDRESS}test/", {"username": "alice", "password": "wrong"})
    patched = operator.patch("operator/tenants/globex/", {"name": "Globex 2"})

    assert before.json() == {"backend": "database"}
    assert (put.status_code, put.json()) == (200, without_secrets)
    assert operator.get(ADDRESS).json() == without_secrets
    assert tried.json() == {
        "ok": True,
        "steps": [
            {"text": "the file is there", "ok": True},
            {"text": "it holds 1 people", "ok": True},
        ],
        "sign_in": {
            "backend": "people_file", "is_proven": True, "answer": "ok", "username": "alice",
            "email": "alice@globex.example", "role": "editor", "groups": ["cn=staff"],
        },
    }  # fmt: skip
    assert (wrong.json()["ok"], wrong.json()["sign_in"]["answer"]) == (False, "invalid_credentials")
    # What is not named stays, and the secret with it.
    assert patched.json()["auth"] == without_secrets
    assert login("globex", "alice", alice.password) == 200
    with context.operator():
        assert Session.objects.filter(tenant__slug="globex").count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"secrets": {"file_key": "literal"}}, "secrets.file_key"),
        ({"secrets": {"file_key": {"env": "AUTH_ENCRYPTION_KEYS"}}}, "secrets.file_key"),
        ({"secrets": {"file_key": {"file": "/etc/passwd"}}}, "secrets.file_key"),
        ({"backend": "nothing"}, "backend"),
        ({"options": {"path": "x", "realms": 1}}, "options.realms"),
        ({"break_glass": ["viewer@globex.example"]}, "break_glass[0]"),
    ],
)
def test_what_is_sent_wrong_changes_nothing(
    operator: Api, change: dict[str, Any], field: str
) -> None:
    auth = {
        "backend": "people_file",
        "options": {"path": "x"},
        "secrets": {"file_key": {"env": "TENANT_SECRET_FILE"}},
    }

    refused = operator.put(ADDRESS, {**auth, **change})

    assert refused.status_code == 400
    assert field in refused.json()["details"]
    assert "literal" not in refused.content.decode()
    assert present() is None


def test_only_operators_may(globex: TenantIdentity, system: Installation) -> None:
    admin = Api(globex, role="admin", password=system.password)
    auditor = Api(None)
    auditor.sign_in("auditor@example.com", system.password)

    assert admin.get(ADDRESS).status_code == 404
    for method in (auditor.get, auditor.put):
        assert method(ADDRESS).status_code == 403
    assert auditor.post(f"{ADDRESS}test/").status_code == 403


def test_by_command_line(
    console: Console, directory: TenantDirectory, secret: None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    alice = directory.account("alice")
    file = tmp_path / "auth.yaml"
    file.write_text(declared(directory.file.path))

    proposed = console.run("auth", "test", "globex", "-f", str(file))
    unset = present()
    done = console.run("auth", "set", "globex", "-f", str(file), "--json")
    shown = console.run("auth", "show", "globex")
    monkeypatch.setattr("sys.stdin", StringIO(f"{alice.password}\n"))
    tried = console.run("auth", "sign-in", "globex", "--username", "alice", "--json")
    monkeypatch.setattr("sys.stdin", StringIO("wrong\n"))
    wrong = console.run("auth", "sign-in", "globex", "--username", "alice")
    directory.stop()
    down = console.run("auth", "test", "globex")
    directory.start()
    file.write_text("backend: openldap\noptions: {}\nsecrets: {}\n")
    bad = console.run("auth", "set", "globex", "-f", str(file))
    missing = console.run("auth", "show", "nobody")

    assert (proposed.code, proposed.out.splitlines()[0]) == (0, "ok     the file is there")
    assert unset is None
    assert (done.code, json.loads(done.out)["backend"]) == (0, "people_file")
    assert "options.path" in shown.out
    assert json.loads(tried.out)["role"] == "viewer"
    assert (wrong.code, wrong.err.strip()) == (1, "not signed in: invalid_credentials")
    assert (down.code, down.out.strip()) == (1, "FAILED The file cannot be read.")
    assert bad.code == 1
    assert f"{file}:2: options: needs the key url" in bad.err
    assert f"{file}:3: secrets: needs bind_password" in bad.err
    assert missing.code == 1
    assert SECRET not in done.out + shown.out + tried.out
    with context.operator():
        assert Session.objects.count() == 0


def test_keys_are_changed_and_a_lost_one_is_found(
    console: Console, directory: TenantDirectory, globex: TenantIdentity
) -> None:
    former, new = {"first": "f" * 40}, {"second": "s" * 40}
    with override_settings(AUTH_ENCRYPTION_KEYS=former):
        directory.configure(default_role="viewer")
    with override_settings(AUTH_ENCRYPTION_KEYS=new):
        lost = _findings()
        refused = console.run("auth", "rewrap")
    with override_settings(AUTH_ENCRYPTION_KEYS={**new, **former}):
        rewrapped = console.run("auth", "rewrap", "--json")
        again = console.run("auth", "rewrap", "--json")
    with override_settings(AUTH_ENCRYPTION_KEYS=new):
        fine = _findings()
        opened = configuring.list_present(tenant_ids=[globex.id])[globex.id].secrets

    assert [finding.subject for finding in lost] == ["globex"]
    assert "'first' is not configured" in lost[0].problem
    assert refused.code == 1
    assert [json.loads(run.out) for run in (rewrapped, again)] == [
        {"rewrapped": 1}, {"rewrapped": 0},
    ]  # fmt: skip
    assert fine == []
    assert opened == {"file_key": SECRET}


def _findings() -> list[Any]:
    with context.operator():
        return checks.find_unusable()


def test_a_sealed_secret_opens_for_its_tenant_alone(
    acme: TenantIdentity, directory: TenantDirectory, tmp_path: Path
) -> None:
    directory.configure(default_role="viewer")
    directory_of(acme, tmp_path).configure(default_role="viewer", secret="of acme")
    with context.operator():
        theirs = AuthConfiguration.objects.get(tenant=directory.tenant.id)
        AuthConfiguration.objects.filter(tenant=acme.id).update(
            secrets=bytes(theirs.secrets), secrets_key=theirs.secrets_key
        )

    assert login("acme", "alice", "x") == 503
    assert configuring.list_present(tenant_ids=[acme.id])[acme.id].secrets is None


def test_a_clone_signs_in_by_the_same_directory_and_a_restored_one_is_given_its_secrets(
    console: Console, directory: TenantDirectory, tmp_path: Path
) -> None:
    directory.configure(default_role="viewer", break_glass=("admin@globex.example",))
    alice = directory.account("alice", email="admin@acme.example")
    assert login("globex", "alice", alice.password) == 200
    archive = tmp_path / "globex.tar.gz"

    cloned = console.run("clone", "globex", "initech")
    exported = console.run("export", "globex", "-o", str(archive))
    restored = console.run("restore", str(archive), "--as", "hooli", "--domain", "hooli.localhost")

    assert (cloned.code, exported.code, restored.code) == (0, 0, 0), cloned.err + restored.err
    assert login("initech", "alice", alice.password) == 200
    assert login("hooli", "alice", alice.password) == 503
    assert "sign-in: people_file needs its secrets: `tenant auth set hooli`" in restored.err
    # Whoever the directory named is not invited by the address that it claimed.
    for slug in ("initech", "hooli"):
        made = selectors.get_tenant(slug=slug)
        assert "admin@acme.example" not in json.dumps(console.run("show", slug, "--json").out)
        assert made.state == "ACTIVE"
        assert "admin@globex.example" in present(slug).break_glass
    assert SECRET.encode() not in archive.read_bytes()


def test_what_is_wanted_already_changes_nothing(directory: TenantDirectory) -> None:
    first = directory.configure(default_role="viewer")
    again = directory.configure(default_role="viewer")
    gone = configuring.configure(
        tenant_id=directory.tenant.id, wanted=Wanted("database"), at=datetime.now(UTC)
    )
    none = configuring.configure(
        tenant_id=directory.tenant.id, wanted=Wanted("database"), at=datetime.now(UTC)
    )

    assert (first, again, gone, none) == (True, False, True, False)
