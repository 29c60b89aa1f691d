"""Break the wall by hand in every way that the doctor knows; it names the breach and what to do helps."""

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from shared_apps.accounts import selectors as people
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.doctor import Finding
from shared_apps.fleet import roles
from shared_apps.fleet.services import find_breaches
from shared_apps.tenants import names


@dataclass(frozen=True)
class Server:
    """The server's superuser, who breaks things, and the names that statements use."""

    admin: psycopg.Connection[Any]
    words: dict[str, str]

    def run(self, statement: str) -> None:
        for part in statement.split(";"):
            self.admin.execute(part.format(**self.words))  # type: ignore[arg-type]


@pytest.fixture
def server(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[Server]:
    """In the operator's context, as manage.py is."""
    auditor = people.find_user_by_email(email="auditor@example.com")
    assert auditor is not None
    database = settings.DATABASES["default"]["NAME"]
    words = {
        "acme": acme.role,
        "globex": globex.role,
        "app": roles.application_login(),
        "relay": roles.relay_login(),
        "owner": settings.DATABASES["migration"]["USER"],
        "tenants": roles.tenants_group(),
        "database": database,
        "auditor": names.person_role_of(auditor.id, database=database),
    }
    with (
        psycopg.connect(settings.ADMIN_DATABASE_URL, dbname=database, autocommit=True) as admin,
        context.operator(),
    ):
        yield Server(admin, words)


def _follow(remedy: str, server: Server) -> None:
    if remedy.startswith("manage.py "):
        with contextlib.suppress(CommandError):  # other breaches may remain after it
            call_command(
                *remedy.split()[1:], verbosity=0, stdout=io.StringIO(), stderr=io.StringIO()
            )
    else:
        server.admin.execute(remedy)  # type: ignore[arg-type]


def _follow_all(server: Server) -> None:
    """As an operator would: what the doctor says, until it has nothing to say."""
    for _ in range(4):
        findings = find_breaches()
        for remedy in dict.fromkeys(finding.remedy for finding in findings):
            _follow(remedy, server)
        if not findings:
            return
    raise AssertionError(find_breaches())


def test_an_installation_stands(server: Server) -> None:
    assert find_breaches() == []


BREACHES = {
    "security switched off": (
        "ALTER TABLE accounts_user DISABLE ROW LEVEL SECURITY",
        "table public.accounts_user: has no row-level security",
    ),
    "policy dropped": (
        "DROP POLICY operator ON authn_session",
        "policy operator is missing or was changed",
    ),
    "policy widened": (
        "ALTER POLICY granted_rows ON tenants_tenant USING (true)",
        "policy granted_rows is missing or was changed",
    ),
    "policy for somebody else": (
        "ALTER POLICY operator ON accounts_user TO {acme}",
        "policy operator is missing or was changed",
    ),
    "policy checks other rows than it shows": (
        "ALTER POLICY operator ON accounts_user WITH CHECK (id IS NOT NULL)",
        "policy operator is missing or was changed",
    ),
    "policy added": (
        "CREATE POLICY extra ON accounts_user TO {tenants} USING (true)",
        "policy extra for",
    ),
    "table to another tenant": (
        "GRANT SELECT ON t_globex.invoicing_invoice TO {acme}",
        "tenant globex: {acme} has SELECT on t_globex.invoicing_invoice",
    ),
    "column to another tenant": (
        "GRANT SELECT (name) ON t_globex.invoicing_vendor TO {acme}",
        "{acme} has SELECT (name) on t_globex.invoicing_vendor",
    ),
    "schema to PUBLIC": (
        "GRANT USAGE ON SCHEMA t_globex TO PUBLIC",
        "PUBLIC has USAGE on t_globex",
    ),
    "table to PUBLIC": (
        "GRANT INSERT ON t_globex.invoicing_vendor TO PUBLIC",
        "PUBLIC has INSERT on t_globex.invoicing_vendor",
    ),
    "sequence to PUBLIC": (
        "GRANT USAGE ON SEQUENCE t_globex.audit_outbox_id_seq TO PUBLIC",
        "PUBLIC has USAGE on t_globex.audit_outbox_id_seq",
    ),
    "function to PUBLIC": (
        "GRANT EXECUTE ON FUNCTION t_globex.audit_capture TO PUBLIC",
        "PUBLIC has EXECUTE on t_globex.audit_capture",
    ),
    "tenant's table to the application": (
        "GRANT SELECT ON t_acme.invoicing_vendor TO {app}",
        "{app} has SELECT on t_acme.invoicing_vendor",
    ),
    "tenant's table to the relay": (
        "GRANT SELECT ON t_acme.invoicing_vendor TO {relay}",
        "{relay} has SELECT on t_acme.invoicing_vendor",
    ),
    "its outbox to a tenant": (
        "GRANT DELETE ON t_acme.audit_outbox TO {acme}",
        "its own role has DELETE on t_acme.audit_outbox",
    ),
    "TRUNCATE to a tenant": (
        "GRANT TRUNCATE ON t_acme.invoicing_vendor TO {acme}",
        "its own role has TRUNCATE",
    ),
    "shared table to one tenant": (
        "GRANT SELECT ON accounts_user TO {acme}",
        "role {acme}: has rights on table accounts_user",
    ),
    "shared column to one tenant": (
        "GRANT SELECT (email) ON accounts_user TO {acme}",
        "role {acme}: has rights on table accounts_user",
    ),
    "shared table to all tenants": (
        "GRANT SELECT ON accounts_user TO {tenants}",
        "{tenants} has SELECT",
    ),
    "shared table to PUBLIC": ("GRANT SELECT ON accounts_user TO PUBLIC", "PUBLIC has SELECT"),
    "more to the relay": (
        "GRANT SELECT ON accounts_user TO {relay}",
        "table public.accounts_user: {relay} has SELECT",
    ),
    "outbox to the application": (
        "GRANT DELETE ON audit_outbox TO {app}",
        "table public.audit_outbox: {app} has DELETE",
    ),
    "tenant may log in": ("ALTER ROLE {acme} LOGIN", "role {acme}: has LOGIN"),
    "tenant passes policies": ("ALTER ROLE {acme} BYPASSRLS", "role {acme}: has BYPASSRLS"),
    "tenant is another tenant": ("GRANT {globex} TO {acme}", "role {acme}: is a member of {globex}"),
    "tenant outside the group": (
        "SET ROLE {owner};REVOKE {tenants} FROM {acme};RESET ROLE",
        "role {acme}: does not inherit {tenants}",
    ),
    "application cannot become it": (
        "SET ROLE {owner};REVOKE {acme} FROM {app};RESET ROLE",
        "role {acme}: {app} cannot become it",
    ),
    "application hands it on": (
        "GRANT {acme} TO {app} WITH ADMIN OPTION",
        "role {acme}: {app} has its rights or hands them on",
    ),
    "relay becomes a tenant": (
        "GRANT {acme} TO {relay}",
        "login {relay}: is a member of {acme}",
    ),
    "role dropped": ("DROP OWNED BY {acme};DROP ROLE {acme}", "tenant acme: its role {acme} is missing"),
    "right taken away": (
        "REVOKE SELECT ON t_acme.invoicing_vendor FROM {acme}",
        "tenant acme: cannot read its table invoicing_vendor",
    ),
    "schema taken away": (
        "REVOKE USAGE ON SCHEMA t_acme FROM {acme}",
        "tenant acme: its role may not use its schema",
    ),
    "table owned by the application": (
        "ALTER TABLE t_acme.invoicing_vendor OWNER TO {app}",
        "role {app}: owns table t_acme.invoicing_vendor",
    ),
    "application passes policies": ("ALTER ROLE {app} BYPASSRLS", "login {app}: has BYPASSRLS"),
    "application inherits": ("ALTER ROLE {app} INHERIT", "login {app}: has INHERIT"),
    "application makes roles": ("ALTER ROLE {app} CREATEROLE", "login {app}: has CREATEROLE"),
    "application is the superuser": ("ALTER ROLE {app} SUPERUSER", "login {app}: has SUPERUSER"),
    "relay makes roles": ("ALTER ROLE {relay} CREATEROLE", "login {relay}: has CREATEROLE"),
    "application is the owner": (
        "GRANT {owner} TO {app}",
        "login {app}: is a member of {owner}",
    ),
    "application defines": (
        "GRANT CREATE ON SCHEMA public TO {app}",
        "schema public: {app} has CREATE",
    ),
    "application has temporary tables": (
        "GRANT TEMPORARY ON DATABASE {database} TO {app}",
        "database {database}: {app} has TEMPORARY",
    ),
    "anybody connects": (
        "GRANT CONNECT ON DATABASE {database} TO PUBLIC",
        "database {database}: PUBLIC has CONNECT",
    ),
    "person's role dropped": ("DROP ROLE {auditor}", "role {auditor}: of a person with grants"),
    "person may log in": ("ALTER ROLE {auditor} LOGIN", "role {auditor}: has LOGIN"),
    "person is a tenant": (
        "GRANT {acme} TO {auditor}",
        "role {auditor}: is a member of {acme}",
    ),
    "role of a person without grants": (
        "CREATE ROLE {database}_x_00000000000000000000000000000000",
        "belongs to nobody with a grant",
    ),
    "role of no tenant": ("CREATE ROLE {database}_t_gone", "role {database}_t_gone: belongs to no"),
    "schema of no tenant": ("CREATE SCHEMA t_gone", "schema t_gone: belongs to no tenant"),
}  # fmt: skip


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_named_and_the_remedy_closes_it(server: Server, breach: str) -> None:
    statement, expected = BREACHES[breach]
    server.run(statement)
    try:
        assert expected.format(**server.words) in "\n".join(map(_said, find_breaches()))
    finally:
        _follow_all(server)


def _said(finding: Finding) -> str:
    return f"{finding.subject}: {finding.problem}"


def test_a_shared_table_that_nobody_thought_of_is_found_and_then_shows_nothing(
    server: Server, acme: TenantIdentity
) -> None:
    server.run(
        "SET ROLE {owner};CREATE TABLE forgotten AS SELECT id AS tenant_id FROM tenants_tenant;"
        "GRANT SELECT ON forgotten TO {tenants};SET ROLE {acme}"
    )
    try:
        assert server.admin.execute("SELECT count(*) FROM public.forgotten").fetchone() == (2,)
        server.run("RESET ROLE")
        assert any("public.forgotten" in finding.subject for finding in find_breaches())

        _follow_all(server)
        server.run("GRANT SELECT ON forgotten TO {tenants};SET ROLE {acme}")

        assert server.admin.execute("SELECT count(*) FROM public.forgotten").fetchone() == (0,)
    finally:
        server.run("RESET ROLE;DROP TABLE forgotten")
    assert find_breaches() == []


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ("", "may be called by PUBLIC"),
        ("SECURITY DEFINER", "runs with its owner's rights on its caller's search_path"),
    ],
)
def test_an_open_function_is_found(server: Server, definition: str, problem: str) -> None:
    server.run(f"CREATE FUNCTION opened() RETURNS int LANGUAGE sql {definition} AS 'SELECT 1'")
    try:
        assert any(finding.problem == problem for finding in find_breaches())
        _follow_all(server)
    finally:
        server.run("DROP FUNCTION opened")


def test_doctor_says_what_is_wrong_and_fails(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("doctor")
    assert "WRONG" not in capsys.readouterr().out
    server.run("GRANT USAGE ON SCHEMA t_globex TO PUBLIC")
    try:
        with pytest.raises(SystemExit) as ended:
            call_command("doctor")
        assert ended.value.code == 1
        shown = capsys.readouterr().out
        assert "PUBLIC has USAGE on t_globex" in shown
        assert "REVOKE USAGE ON SCHEMA t_globex FROM PUBLIC" in shown
        with pytest.raises(SystemExit):
            call_command("doctor", "--json")
        report = json.loads(capsys.readouterr().out)
        assert report["healthy"] is False
        assert report["findings"][0]["check"] == "wall"
        with pytest.raises(CommandError, match="breaches"):
            call_command("migrate", verbosity=0, stderr=io.StringIO())
        with pytest.raises(CommandError, match="PUBLIC has USAGE"):
            call_command("check", databases=["default"])
    finally:
        server.run("REVOKE USAGE ON SCHEMA t_globex FROM PUBLIC")
    call_command("migrate", verbosity=0)
    call_command("check", databases=["default"], stdout=io.StringIO())
