"""`tenant create` with a directory: what stands under `auth` in tenants.yaml, by options of the command."""

from pathlib import Path

import pytest
from django.db import connections

from shared_apps.accounts import selectors as people
from shared_apps.authn import configuring
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import selectors
from shared_apps.tenants.models import Tenant
from tests.client import Api
from tests.directories.people_files import SECRET, TenantDirectory, directory_of
from tests.integration.shared_apps.onboarding.console import Console, tenant

ADMIN = "a@initech.example"
OF_THE_TENANT = (
    "initech", "--name", "Initech", "--domain", "initech.localhost", "--admin-email", ADMIN
)  # fmt: skip
OF_OPENLDAP = (
    "--auth", "openldap", "--option", "url=ldaps://dir.initech.example",
    "--option", "base_dn=dc=initech,dc=example", "--option", "bind_dn=cn=freehold,dc=initech,dc=example",
)  # fmt: skip
BIND_PASSWORD = ("--secret", "bind_password=env:TENANT_SECRET_FILE")


@pytest.fixture
def directory(acme: TenantIdentity, tmp_path: Path) -> TenantDirectory:
    return directory_of(acme, tmp_path)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_SECRET_FILE", SECRET)


def login(slug: str, username: str, password: str) -> int:
    """Its status."""
    identity = selectors.get_tenant(slug=slug).identity
    answer = Api(identity).post("auth/login/", {"username": username, "password": password})
    return answer.status_code


def traces_of_initech() -> tuple[bool, bool, bool]:
    """Whether there is a row, a schema, a person."""
    with context.operator(), connections["migration"].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 't_initech')")
        has_schema = cursor.fetchone()[0]
        has_row = Tenant.objects.filter(slug="initech").exists()
    return has_row, has_schema, people.find_user_by_email(email=ADMIN) is not None


def test_a_tenant_with_a_directory_of_its_own(
    console: Console, directory: TenantDirectory, tmp_path: Path
) -> None:
    """Its people sign in by it at once, the first administrator past it, and nobody at another tenant."""
    alice = directory.account("alice")
    password = tmp_path / "password"
    password.write_text("correct horse battery staple\n")

    made = console.run(
        "create", *OF_THE_TENANT, "--auth", "people_file",
        "--option", f"path={directory.file.path}", "--option", "default_role=viewer",
        "--option", 'role_groups={"admin": ["cn=admins,dc=initech"]}',
        "--secret", "file_key=env:TENANT_SECRET_FILE", "--secret", f"admin_password=file:{password}",
        "--break-glass", ADMIN,
    )  # fmt: skip

    assert made.code == 0, made.err
    initech = selectors.get_tenant(slug="initech")
    present = configuring.list_present(tenant_ids=[initech.id])[initech.id]
    assert (present.kind, present.secrets) == ("people_file", {"file_key": SECRET})
    assert present.options == {
        "path": str(directory.file.path),
        "default_role": "viewer",
        "role_groups": {"admin": ["cn=admins,dc=initech"]},
    }
    assert SECRET not in made.out + made.err
    assert login("initech", "alice", alice.password) == 200
    assert login("initech", ADMIN, "correct horse battery staple") == 200
    assert login("globex", "alice", alice.password) == 401
    # A person of this address, with this password, and with no role there.
    assert login("globex", ADMIN, "correct horse battery staple") == 403


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--auth", "nonsense"), "auth.backend: "),
        (("--auth", "openldap"), "auth.options: needs the key url"),
        (("--option", "url=x"), "auth.options.url: unknown key"),
        ((*OF_OPENLDAP, *BIND_PASSWORD, "--option", "bas_dn=x"), "auth.options"),
        ((*OF_OPENLDAP, *BIND_PASSWORD, "--option", "start_tls=maybe"), "auth.options.start_tls: must be true or"),
        ((*OF_OPENLDAP, *BIND_PASSWORD, "--option", "base_dn=dc=b"), "auth.options.base_dn: is given twice"),
        ((*OF_OPENLDAP, *BIND_PASSWORD, "--option", "url"), "auth.options: each is NAME=VALUE"),
        (OF_OPENLDAP, "auth.secrets: needs bind_password"),
        ((*OF_OPENLDAP, "--secret", "bind_password=hunter2"), "auth.secrets.bind_password: must be env:NAME or file:PATH"),
        ((*OF_OPENLDAP, "--secret", "bind_password=env:NOT_THERE"), "auth.secrets.bind_password: the variable NOT_THERE is not set"),
        ((*OF_OPENLDAP, "--secret", "bind_password=file:/nowhere"), "auth.secrets.bind_password: the file /nowhere cannot be read"),
        ((*OF_OPENLDAP, *BIND_PASSWORD, *BIND_PASSWORD), "auth.secrets.bind_password: is given twice"),
        ((*OF_OPENLDAP, *BIND_PASSWORD, "--secret", "other=env:TENANT_SECRET_FILE"), "auth.secrets.other: "),
        ((*OF_OPENLDAP, *BIND_PASSWORD, "--break-glass", "b@initech.example"), "auth.break_glass[0]: must be one of"),
        ((*OF_OPENLDAP, *BIND_PASSWORD, "--option", "url=ldap://dir"), "auth.options.url: is given twice"),
        (
            ("--auth", "openldap", "--option", "url=ldap://dir", *OF_OPENLDAP[4:], *BIND_PASSWORD),
            "auth.options.url: ldap:// needs start_tls: true",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_and_nothing_is_made(
    console: Console, made: None, arguments: tuple[str, ...], said: str
) -> None:
    ended = console.run("create", *OF_THE_TENANT, *arguments)

    assert ended.code == 1
    assert said in ended.err
    assert ended.err.endswith("; nothing was changed")
    assert "hunter2" not in ended.err
    assert traces_of_initech() == (False, False, False)


def test_a_plan_says_which_secrets_are_new_and_which_go(
    console: Console, directory: TenantDirectory, made: None
) -> None:
    """Also where their values are not at hand; a value is in no text."""
    auth = (
        f"{{backend: people_file, options: {{path: '{directory.file.path}'}},"
        " secrets: {file_key: {env: TENANT_SECRET_FILE}, admin_password: {env: NOT_THERE}}}"
    )
    console.declare(tenant("initech", auth=auth), tenant("globex", name="Globex", auth=auth))

    planned = console.plan()

    assert planned.code == 0, planned.err
    lines = planned.out.splitlines()
    assert "    auth.secrets.file_key: new" in lines
    assert "    auth.secrets.admin_password: new" in lines
    assert "    auth.secrets.file_key: + new" in lines
    assert SECRET not in planned.out
