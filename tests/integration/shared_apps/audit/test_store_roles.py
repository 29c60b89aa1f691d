"""None of the audit database's logins may do more than it is for."""

from uuid import UUID

import pytest
from psycopg import errors

from shared_apps.audit import installation as audit
from tests.audit_logins import LIMITED, TENANTS, Audit

_ONE, _OTHER = TENANTS


_FORBIDDEN = [
    "INSERT INTO audit.entry SELECT * FROM audit.entry",
    "INSERT INTO audit.entry_2026_11 DEFAULT VALUES",
    "UPDATE audit.entry SET operation = 'CREATE'",
    "UPDATE audit.entry_2026_11 SET operation = 'CREATE'",
    "DELETE FROM audit.entry",
    "DELETE FROM audit.entry_2026_11",
    "MERGE INTO audit.entry e USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE audit.entry",
    "TRUNCATE audit.entry_2026_11",
    "SELECT * FROM audit.entry_2026_11",
    "SELECT 1 FROM audit.entry FOR UPDATE",
    "COPY audit.entry_2026_11 FROM STDIN",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "UPDATE audit.chain SET sequence = 0",
    "INSERT INTO audit.chain VALUES (gen_random_uuid(), 0, '')",
    "DELETE FROM audit.chain",
    "DO $$ BEGIN LOCK TABLE audit.entry IN ACCESS EXCLUSIVE MODE; END $$",
    "DROP TABLE audit.entry",
    "DROP TABLE audit.entry_2026_11",
    "DROP SCHEMA audit CASCADE",
    "ALTER TABLE audit.entry DETACH PARTITION audit.entry_2026_11",
    "ALTER TABLE audit.entry DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE audit.entry ADD COLUMN x int",
    "ALTER TABLE audit.entry OWNER TO CURRENT_USER",
    "DROP INDEX audit.entry_record",
    "CREATE INDEX x ON audit.entry (uid)",
    "CREATE POLICY open ON audit.entry USING (true)",
    "DROP POLICY named_tenants ON audit.entry",
    "CREATE RULE swallow AS ON INSERT TO audit.entry DO INSTEAD NOTHING",
    "CREATE TRIGGER t BEFORE INSERT ON audit.entry FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE FUNCTION audit.mine() RETURNS int LANGUAGE sql RETURN 1",
    "CREATE OR REPLACE FUNCTION audit.netstring(value text) RETURNS text LANGUAGE sql RETURN ''",
    "ALTER FUNCTION audit.netstring(text) COST 1",
    "CREATE TABLE public.entry (x int)",
    "CREATE TEMPORARY TABLE entry (x int)",
    "CREATE SCHEMA mine",
    "SELECT audit.ensure_partition(now())",
    "SELECT audit.make_partition('2050-01-01')",
    "SELECT audit.prepare_next_partition()",
    "SELECT audit.chained_hash('', '')",
    "SELECT * FROM public.audit_store_version",
    "DELETE FROM public.audit_store_version",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER BYPASSRLS",
    "SET session_replication_role = replica",
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "SELECT pg_read_file('pg_hba.conf')",
    "ALTER SYSTEM SET fsync = off",
]
_READS = ["SELECT * FROM audit.entry", "SELECT hash FROM audit.entry", "COPY audit.entry TO STDOUT"]
_APPEND = (
    "SELECT audit.append(gen_random_uuid(), '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',"
    " '{}')"
)
_CHAIN = ["SELECT * FROM audit.chain"]


@pytest.mark.parametrize(
    ("role", "also"),
    [
        ("writer", [*_READS, *_CHAIN]),
        ("reader", [_APPEND, *_CHAIN]),
        ("auditor", [_APPEND]),
        ("retention", [_APPEND, *_READS, *_CHAIN]),
    ],
)
def test_a_login_may_do_nothing_else(made_audit: Audit, role: str, also: list[str]) -> None:
    before = made_audit.contents()
    owner = made_audit.login(audit.OWNER)
    done = []
    with made_audit.connect(LIMITED[role]) as connection:
        for statement in [*_FORBIDDEN, *also]:
            try:
                connection.execute(statement.replace("{owner}", f'"{owner}"'))  # type: ignore[arg-type]  # constants
                done.append(statement)
            except errors.InsufficientPrivilege:
                continue
        # Whoever has a right without the option to give it away is warned and gives away nothing.
        try:
            connection.execute("GRANT SELECT ON audit.entry TO PUBLIC")
        except errors.InsufficientPrivilege:
            pass
    assert done == []
    assert made_audit.contents() == before


@pytest.mark.parametrize(
    ("tenant", "seen"),
    [("", 0), (str(_ONE), 3), (str(_OTHER), 2), (f"{_ONE},{_OTHER}", 5), (str(UUID(int=0xA3)), 0),
     (str(_ONE).upper(), 3)],
)  # fmt: skip
def test_the_reader_sees_the_tenants_that_are_named(
    made_audit: Audit, tenant: str, seen: int
) -> None:
    with made_audit.connect(audit.READER) as reader:
        reader.execute("SELECT set_config('freehold.tenant', %s, false)", [tenant])
        assert reader.execute("SELECT count(*) FROM audit.entry").fetchone() == (seen,)
        # Also by a function that tells what it is given, called before the policy if it could be.
        assert reader.execute(
            "SELECT count(*) FROM audit.entry WHERE length(tenant_id::text) > 0 OR sequence > 0"
        ).fetchone() == (seen,)


@pytest.mark.parametrize("tenant", ["*", "%", f"{_ONE}' OR true --", f"{_ONE},", "NULL"])
def test_what_names_no_tenant_shows_nothing(made_audit: Audit, tenant: str) -> None:
    with made_audit.connect(audit.READER) as reader:
        reader.execute("SELECT set_config('freehold.tenant', %s, false)", [tenant])
        with pytest.raises(errors.InvalidTextRepresentation):
            reader.execute("SELECT count(*) FROM audit.entry")


def test_the_auditor_reads_all(made_audit: Audit) -> None:
    with made_audit.connect(audit.AUDITOR) as auditor:
        assert auditor.execute("SELECT count(*) FROM audit.entry").fetchone() == (5,)
        assert auditor.execute("SELECT sum(sequence) FROM audit.chain").fetchone() == (5,)
