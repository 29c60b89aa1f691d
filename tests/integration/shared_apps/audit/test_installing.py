"""`manage.py audit install`, again, and `--check` after somebody was there."""

import json
from io import StringIO

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings
from psycopg import conninfo

from shared_apps.audit import installation as audit
from shared_apps.audit import rights, store
from tests.audit_logins import LIMITED, Audit
from tests.installation import Installation


def _command(*arguments: str) -> str:
    out = StringIO()
    call_command("audit", "install", *arguments, stdout=out)
    return out.getvalue()


def test_one_command_makes_it_and_again_changes_nothing(installation: Installation) -> None:
    made = Audit()
    with override_settings(**made.settings):
        try:
            assert {finding.subject for finding in rights.find_problems()} == set(audit.SETTINGS)
            with psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL) as admin:
                assert admin.execute(
                    "SELECT FROM pg_database WHERE datname = %(name)s"
                    " UNION ALL SELECT FROM pg_roles WHERE starts_with(rolname, %(name)s)",
                    {"name": made.name},
                ).fetchall() == []  # fmt: skip

            first = json.loads(_command("--json"))
            before = made.contents()

            assert first == {"ran": store.script_names(), "findings": []}
            assert json.loads(_command("--json")) == {"ran": [], "findings": []}
            assert _command("--check") == "the audit database is as it should be\n"
            assert made.contents() == before
        finally:
            made.drop()


@pytest.mark.parametrize(
    ("role", "spoiling", "finding", "repair"),
    [
        ("writer", "ALTER ROLE {writer} BYPASSRLS CREATEROLE", "has CREATEROLE, BYPASSRLS",
         "ALTER ROLE {writer} NOBYPASSRLS NOCREATEROLE"),
        ("reader", "GRANT pg_read_all_data TO {reader}", "is a member of pg_read_all_data",
         "REVOKE pg_read_all_data FROM {reader}"),
        ("auditor", "GRANT UPDATE (diff), DELETE ON audit.entry TO {auditor}", "may DELETE, UPDATE audit.entry",
         "REVOKE UPDATE (diff), DELETE ON audit.entry FROM {auditor}"),
        ("writer", "GRANT SELECT ON audit.chain TO {writer}", "may read audit.chain",
         "REVOKE SELECT ON audit.chain FROM {writer}"),
        ("reader", "GRANT SELECT ON audit.entry_2026_11 TO PUBLIC", "may read audit.entry_2026_11",
         "REVOKE SELECT ON audit.entry_2026_11 FROM PUBLIC"),
        ("retention", "ALTER TABLE audit.chain OWNER TO {retention}", "owns the table audit.chain", None),
        ("auditor", "GRANT CREATE ON SCHEMA audit TO {auditor}", "has CREATE in the schema audit",
         "REVOKE CREATE ON SCHEMA audit FROM {auditor}"),
        ("writer", "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC", "has TEMPORARY in the database",
         "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"),
        ("writer", "REVOKE EXECUTE ON FUNCTION audit.append FROM {writer}", "may not call audit.append",
         "GRANT EXECUTE ON FUNCTION audit.append TO {writer}"),
        (None, "GRANT EXECUTE ON FUNCTION audit.ensure_partition TO PUBLIC", "may be called by everybody",
         "REVOKE EXECUTE ON FUNCTION audit.ensure_partition FROM PUBLIC"),
        (None, "ALTER TABLE audit.entry DISABLE ROW LEVEL SECURITY", "row-level security of audit.entry is off",
         "ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY"),
        (None, "CREATE POLICY open ON audit.entry USING (true)",
         "the policy open shows the reader entries of any tenant", "DROP POLICY open ON audit.entry"),
        (None, "CREATE RULE swallow AS ON INSERT TO audit.entry_2026_11 DO INSTEAD NOTHING",
         "the rule swallow on audit.entry_2026_11", "DROP RULE swallow ON audit.entry_2026_11"),
        (None, "DELETE FROM public.audit_store_version WHERE script = '0003_append_at_once.sql'", "was not run",
         "INSERT INTO public.audit_store_version VALUES ('0003_append_at_once.sql')"),
    ],
)  # fmt: skip
def test_the_check_finds_what_is_wrong_and_changes_nothing(
    made_audit: Audit, role: str | None, spoiling: str, finding: str, repair: str | None
) -> None:
    def database(statement: str) -> str:
        return statement.replace("{database}", f'"{made_audit.name}"')

    made_audit.run(database(spoiling))
    before = made_audit.contents()
    try:
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("audit", "install", "--check", "--json", stdout=out)
        found = json.loads(out.getvalue())["findings"]
    finally:
        changed = made_audit.contents() != before
        owner = made_audit.login(audit.OWNER)
        made_audit.run(database(repair or f'ALTER TABLE audit.chain OWNER TO "{owner}"'))

    assert ended.value.code == 1
    assert not changed
    subjects = {f["subject"] for f in found if f["problem"] == finding}
    if role is None:
        assert subjects
    else:
        assert made_audit.login(LIMITED[role]) in subjects
    if repair is not None:
        assert rights.find_problems() == []
    else:
        made_audit.run("REVOKE ALL ON audit.chain FROM {retention}")
        assert rights.find_problems() == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({audit.RETENTION: ""}, f"{audit.RETENTION} is not set (nor {audit.RETENTION}_FILE)"),
        ({audit.READER: audit.WRITER}, "must name different logins"),
        ({audit.AUDITOR: "postgresql://somebody@127.0.0.1/elsewhere"}, "must name the same database"),
        ({audit.AUDITOR: "postgresql://127.0.0.1/"}, f"{audit.AUDITOR} must name a login and a database"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_be_installed_is_said_in_one_line(
    made_audit: Audit, changed: dict[str, str], message: str, check: bool
) -> None:
    urls = {setting: made_audit.settings.get(value, value) for setting, value in changed.items()}
    before = made_audit.contents()

    with override_settings(**urls), pytest.raises(CommandError) as refused:
        _command(*["--check"] * check)

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert made_audit.contents() == before


def test_without_an_administrator_the_logins_must_be_there(made_audit: Audit) -> None:
    unknown = conninfo.make_conninfo(made_audit.settings[audit.RETENTION], user="nobody_knows")
    with override_settings(AUDIT_ADMIN_DATABASE_URL=""):
        assert audit.install() == []
        with (
            override_settings(**{audit.RETENTION: unknown}),
            pytest.raises(CommandError) as refused,
        ):
            _command()
    assert "There is no login nobody_knows" in str(refused.value)
