"""Rights in a schema, written as few statements.

What most tables or sequences have in common is the default while they are made, so that it is part of
their first row in the catalogue; a GRANT would write a second one for each.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from shared_apps.fleet.catalogue.placeholders import ROLE, SCHEMA

_OBJECTS = f"""
    SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'r' THEN 'TABLE' ELSE 'VIEW' END AS kind,
           quote_ident(relname) AS object, relacl AS acl, relowner AS owner
    FROM pg_class WHERE relnamespace = '{SCHEMA}'::regnamespace AND relkind IN ('r', 'v', 'S')
    UNION ALL
    SELECT 'SCHEMA', quote_ident(nspname), nspacl, nspowner FROM pg_namespace
    WHERE oid = '{SCHEMA}'::regnamespace
    UNION ALL
    SELECT 'FUNCTION', oid::regprocedure::text, proacl, proowner FROM pg_proc
    WHERE pronamespace = '{SCHEMA}'::regnamespace
"""  # noqa: S608  # a constant
_RIGHTS = f"""
    WITH lists AS ({_OBJECTS}), granted AS (
        SELECT kind, object, a.grantee,
               string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS rights
        FROM lists CROSS JOIN aclexplode(acl) a WHERE a.grantee <> owner GROUP BY 1, 2, 3
        UNION ALL
        SELECT 'COLUMN', quote_ident(c.relname), e.grantee,
               e.privilege_type || ' (' || string_agg(quote_ident(b.attname), ', ' ORDER BY b.attnum) || ')'
        FROM pg_class c JOIN pg_attribute b ON b.attrelid = c.oid, aclexplode(b.attacl) e
        WHERE c.relnamespace = '{SCHEMA}'::regnamespace GROUP BY c.relname, e.grantee, e.privilege_type
        UNION ALL
        -- Everybody may execute a function unless its list says otherwise: '' takes that right away.
        SELECT kind, object, 0, '' FROM lists WHERE kind = 'FUNCTION' AND acl IS NOT NULL
          AND NOT EXISTS (SELECT FROM aclexplode(acl) a WHERE a.grantee = 0)
    )
    SELECT kind, object, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, rights
    FROM granted ORDER BY 1, 3, 4, 2
"""  # noqa: S608  # a constant
# What GRANT calls them; a column's right is one on its table.
_KEYWORDS = {"VIEW": "TABLE", "COLUMN": "TABLE"}
_WITH_DEFAULTS = ("TABLE", "SEQUENCE")


@dataclass(frozen=True, slots=True)
class Rights:
    """The statements ahead of the tables, right behind them, and at the end."""

    by_default: tuple[str, ...]
    no_longer: tuple[str, ...]
    afterwards: tuple[str, ...]


def read(cursor: Any, role: str) -> Rights:
    """The rights in the schema SCHEMA of everybody but the owner; `role` is its tenant's."""
    cursor.execute(f"SELECT kind, object FROM ({_OBJECTS}) objects ORDER BY 1, 2")  # noqa: S608  # a constant
    objects: dict[str, list[str]] = defaultdict(list)
    for kind, name in cursor.fetchall():
        objects[kind].append(name)
    cursor.execute(_RIGHTS)
    quoted = sql.Identifier(role).as_string(None)
    granted: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for kind, name, who, rights in cursor.fetchall():
        granted[kind, ROLE if who in (role, quoted) else who][rights].append(name)
    by_default: list[str] = []
    no_longer: list[str] = []
    afterwards: list[str] = []
    for (kind, who), by_rights in granted.items():
        usual = _usual(by_rights, objects[kind]) if kind in _WITH_DEFAULTS else None
        if usual is not None:
            start = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA}"
            by_default.append(f"{start} GRANT {usual} ON {kind}S TO {who}")
            no_longer.append(f"{start} REVOKE ALL ON {kind}S FROM {who}")
            others = sorted(set(objects[kind]) - set(by_rights.pop(usual)))
            if others:
                afterwards.append(f"REVOKE ALL ON {kind} {', '.join(others)} FROM {who}")
        afterwards += [_grant(kind, names, who, rights) for rights, names in by_rights.items()]
    return Rights(tuple(by_default), tuple(no_longer), tuple(afterwards))


def _usual(by_rights: dict[str, list[str]], objects: list[str]) -> str | None:
    """What most of the objects grant, if there is such a thing."""
    counts = Counter({rights: len(names) for rights, names in by_rights.items()})
    rights, count = counts.most_common(1)[0]
    return rights if count * 2 > len(objects) else None


def _grant(kind: str, names: list[str], who: str, rights: str) -> str:
    target = f"{_KEYWORDS.get(kind, kind)} {', '.join(names)}"
    if rights:
        return f"GRANT {rights} ON {target} TO {who}"
    return f"REVOKE ALL ON {target} FROM {who}"
