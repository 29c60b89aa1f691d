"""The audit database's own schema: numbered SQL scripts, each run once, in order."""

from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql


@dataclass(frozen=True, slots=True)
class Roles:
    """The names that stand for `{writer}` and so on in the scripts."""

    writer: str
    reader: str
    auditor: str
    retention: str


def upgrade(connection: psycopg.Connection[Any], roles: Roles) -> list[str]:
    """Run the scripts that this database has not seen, each in one transaction, as its owner.

    Two at once are serialised. Returns the names of the scripts that were run.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('freehold.audit.store'))")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.audit_store_version ("
            " script text PRIMARY KEY, run_at timestamptz NOT NULL DEFAULT now())"
        )
        missing = missing_scripts(connection)
        for script in missing:
            run_script(connection, script, roles)
    return missing


def missing_scripts(connection: psycopg.Connection[Any]) -> list[str]:
    """Those that this database has not seen, in order."""
    seen: set[str] = set()
    if connection.execute("SELECT to_regclass('public.audit_store_version')").fetchone() != (None,):
        rows = connection.execute("SELECT script FROM public.audit_store_version")
        seen = {row[0] for row in rows}
    return [name for name in script_names() if name not in seen]


def script_names() -> list[str]:
    return sorted(path.name for path in files(__package__).iterdir() if path.name.endswith(".sql"))


def run_script(connection: psycopg.Connection[Any], script: str, roles: Roles) -> None:
    text = (files(__package__) / script).read_text()
    for name, role in asdict(roles).items():
        text = text.replace(f"{{{name}}}", sql.Identifier(role).as_string(connection))
    connection.execute(text)
    connection.execute("INSERT INTO public.audit_store_version (script) VALUES (%s)", [script])
