"""What each login of the audit database may do, compared with what it should.

Asks the catalogue alone, so any login can; functions of the audit database are not believed.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import Error

from shared_apps.audit import installation, store
from shared_apps.audit.installation import Logins
from shared_apps.core import servers
from shared_apps.core.doctor import Finding
from shared_apps.core.errors import explain

_REPAIR = "manage.py audit install"

_ATTRIBUTES = """
    SELECT rolname, array_remove(ARRAY[
        CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
        CASE WHEN rolreplication THEN 'REPLICATION' END], NULL)
    FROM pg_roles WHERE rolname = ANY(%(all)s)
"""
_MEMBERSHIPS = """
    SELECT m.rolname, g.rolname FROM pg_auth_members a
    JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid
    WHERE m.rolname = ANY(%(all)s)
"""
# A right that everybody has is each login's too: has_…_privilege says so. Columns can be granted alone.
_WRITES = """
    SELECT r.rolname, c.oid::regclass::text, string_agg(p.name, ', ' ORDER BY p.name)
    FROM pg_roles r, pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p (name)
    WHERE r.rolname = ANY(%(limited)s) AND c.relnamespace = ANY(%(schemas)s::regnamespace[])
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (has_table_privilege(r.oid, c.oid, p.name)
           OR p.name IN ('INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(r.oid, c.oid, p.name))
    GROUP BY 1, c.oid
"""
_READS = """
    SELECT r.rolname, c.oid::regclass::text
    FROM pg_roles r, pg_class c
    WHERE r.rolname = ANY(%(limited)s) AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
      AND (c.oid IN ('audit.entry'::regclass, 'audit.chain'::regclass)
           OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit.entry'::regclass))
"""
_OWNED = """
    SELECT r.rolname, o.what FROM pg_roles r JOIN (
        SELECT relowner, 'the table ' || oid::regclass FROM pg_class WHERE relnamespace = ANY(%(schemas)s::regnamespace[])
        UNION ALL SELECT proowner, 'the function ' || oid::regprocedure FROM pg_proc
            WHERE pronamespace = ANY(%(schemas)s::regnamespace[])
        UNION ALL SELECT nspowner, 'the schema ' || nspname FROM pg_namespace WHERE oid = ANY(%(schemas)s::regnamespace[])
        UNION ALL SELECT datdba, 'the database' FROM pg_database WHERE datname = current_database()
    ) o (owner, what) ON o.owner = r.oid
    WHERE r.rolname = ANY(%(limited)s)
"""
_CREATES = """
    SELECT r.rolname, 'CREATE in the schema ' || s::text FROM pg_roles r, unnest(%(schemas)s::regnamespace[]) s
    WHERE r.rolname = ANY(%(limited)s) AND has_schema_privilege(r.oid, s, 'CREATE')
    UNION ALL SELECT r.rolname, p || ' in the database' FROM pg_roles r, unnest(ARRAY['CREATE', 'TEMPORARY']) p
    WHERE r.rolname = ANY(%(limited)s) AND has_database_privilege(r.oid, current_database(), p)
"""
_FUNCTIONS_OF_ALL = """
    SELECT DISTINCT p.oid::regprocedure::text FROM pg_proc p,
        LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    WHERE p.pronamespace = 'audit'::regnamespace AND a.grantee = 0
"""
_APPENDERS = """
    SELECT r.rolname FROM pg_roles r, pg_proc p
    WHERE r.rolname = ANY(%(limited)s) AND p.pronamespace = 'audit'::regnamespace AND p.proname = 'append'
      AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
"""
# What would change entries on their way in, or show a reader those of others.
_INTERFERENCE = """
    SELECT 'the trigger ' || tgname || ' on ' || tgrelid::regclass, 'drop it' FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid IN (SELECT relid FROM pg_partition_tree('audit.entry')
                                           UNION SELECT 'audit.chain'::regclass)
    UNION ALL SELECT 'the rule ' || rulename || ' on ' || ev_class::regclass, 'drop it' FROM pg_rewrite
    WHERE ev_class IN (SELECT relid FROM pg_partition_tree('audit.entry') UNION SELECT 'audit.chain'::regclass)
    UNION ALL SELECT 'row-level security of audit.entry is off', 'ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY'
    FROM pg_class WHERE oid = 'audit.entry'::regclass AND NOT relrowsecurity
    UNION ALL SELECT 'the policy ' || policyname || ' shows the reader entries of any tenant', 'drop it' FROM pg_policies
    WHERE schemaname = 'audit' AND tablename = 'entry' AND permissive = 'PERMISSIVE' AND roles && ARRAY[%(reader)s, 'public']::name[]
      AND strpos(coalesce(qual, ''), 'freehold.tenant') = 0
"""


def find_problems() -> list[Finding]:
    """What is missing of the audit database, and which rights are too many. Changes nothing.

    Raises:
        InstallationError: a URL is missing or unfit.
    """
    logins = Logins.from_settings()
    found = list(_unreachable())
    if any(finding.subject == installation.OWNER for finding in found):
        return found
    with servers.connect(
        installation.url_of(installation.OWNER), setting=installation.OWNER
    ) as owner:
        owner.execute("SET default_transaction_read_only = on")
        missing = store.missing_scripts(owner)
        found += [Finding(script, "was not run", _REPAIR) for script in missing]
        if store.script_names()[0] not in missing:
            found += _examine(owner, logins)
    return found


def _unreachable() -> Iterator[Finding]:
    for setting in installation.SETTINGS:
        try:
            servers.connect(installation.url_of(setting), setting=setting).close()
        except Error as error:
            yield Finding(setting, f"does not lead in: {explain(error)}", _REPAIR)


def _examine(connection: psycopg.Connection[Any], logins: Logins) -> Iterator[Finding]:
    values = {
        "all": [login.name for login in (logins.owner, *logins.limited)],
        "limited": [login.name for login in logins.limited],
        "reader": logins.reader.name,
        "schemas": ["audit", "public"],
    }

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query, values).fetchall()

    for role, attributes in rows(_ATTRIBUTES):
        if attributes:
            yield Finding(role, f"has {', '.join(attributes)}", _REPAIR)
    for role, group in rows(_MEMBERSHIPS):
        yield Finding(role, f"is a member of {group}", f'REVOKE "{group}" FROM "{role}"')
    for role, table, rights in rows(_WRITES):
        yield Finding(role, f"may {rights} {table}", f'REVOKE {rights} ON {table} FROM "{role}"')
    for role, what in rows(_OWNED):
        yield Finding(role, f"owns {what}", f'give it to "{logins.owner.name}"')
    for role, what in rows(_CREATES):
        yield Finding(role, f"has {what}", f'REVOKE it FROM "{role}" and from PUBLIC')
    for (function,) in rows(_FUNCTIONS_OF_ALL):
        yield Finding(
            function, "may be called by everybody", f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"
        )
    for problem, remedy in rows(_INTERFERENCE):
        yield Finding("audit.entry", problem, remedy)
    yield from _compare(
        {(role, f"read {table}") for role, table in rows(_READS)}
        | {(role, "call audit.append") for (role,) in rows(_APPENDERS)},
        {
            (logins.writer.name, "call audit.append"),
            (logins.reader.name, "read audit.entry"),
            (logins.auditor.name, "read audit.entry"),
            (logins.auditor.name, "read audit.chain"),
        },
    )


def _compare(has: set[tuple[str, str]], should: set[tuple[str, str]]) -> Iterator[Finding]:
    for role, right in sorted(has - should):
        yield Finding(role, f"may {right}", f'REVOKE it from "{role}" and from PUBLIC')
    for role, right in sorted(should - has):
        yield Finding(
            role, f"may not {right}", "grant it, as the scripts in shared_apps/audit/store do"
        )
