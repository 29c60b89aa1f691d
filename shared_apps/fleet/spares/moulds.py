"""What a spare has to be like once it is claimed: read from a schema that the template makes."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from shared_apps.fleet import compiling
from shared_apps.fleet.catalogue import objects, script
from shared_apps.fleet.models import SchemaTemplate


@dataclass(frozen=True, slots=True)
class Mould:
    template: SchemaTemplate
    adoption: str
    """What a spare lacks after the renaming, as a script of the template's kind."""
    items: frozenset[objects.Item]
    statements: frozenset[str]
    """The whole schema written as a script, rows included; some come in any order."""


# Templates never change, and one process fills from one of them.
_known: dict[str, Mould] = {}


def mould_of(template: SchemaTemplate) -> Mould:
    if template.fingerprint not in _known:
        with compiling.scratch() as (cursor, role):
            cursor.execute(script.fill(template.script, schema=script.SCHEMA, role=role))
            _known.clear()
            _known[template.fingerprint] = Mould(
                template,
                _adoption(cursor, role),
                frozenset(objects.load(cursor, script.SCHEMA, role)),
                statements_of(cursor, role),
            )
    return _known[template.fingerprint]


def forget() -> None:
    """Make them anew, for code that changes under the same name: tests."""
    _known.clear()


def statements_of(cursor: Any, role: str) -> frozenset[str]:
    """Of the scratch schema; the path of the cursor is its."""
    return frozenset(script.write(cursor, role=role, applied=[]).split(";\n"))


def reaches(cursor: Any, schema: str) -> list[tuple[str, str]]:
    """Who but its owner may reach into a schema, as SQL names them, and how."""
    cursor.execute(
        """
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
               string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
        FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a
        WHERE n.nspname = %s AND a.grantee <> n.nspowner GROUP BY 1 ORDER BY 1
        """,
        [schema],
    )
    return list(cursor.fetchall())


def _adoption(cursor: Any, role: str) -> str:
    """The rights that open the schema, and the functions whose text says its name: no renaming follows that."""
    own = (role, sql.Identifier(role).as_string(None))
    opening = [
        f"GRANT {rights} ON SCHEMA {script.SCHEMA} TO {script.ROLE if grantee in own else grantee}"
        for grantee, rights in reaches(cursor, script.SCHEMA)
    ]
    cursor.execute(
        "SELECT rtrim(pg_get_functiondef(oid), E'\\n') FROM pg_proc"
        " WHERE pronamespace = %(schema)s::regnamespace AND prokind IN ('f', 'p')"
        " AND strpos(concat(prosrc, proconfig), %(schema)s) > 0 ORDER BY oid",
        {"schema": script.SCHEMA},
    )
    functions = [row[0] for row in cursor.fetchall()]
    return ";\n".join(["SET LOCAL check_function_bodies = off", *opening, *functions])
