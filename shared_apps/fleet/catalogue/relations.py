"""Which tables and sequences a schema has, without looking at those of all the others.

The catalogue of relations has no index on their schema, and GRANT … ON ALL TABLES IN SCHEMA reads it five
times: a quarter of a second among a thousand tenants. What depends on a schema is indexed.
"""

from dataclasses import dataclass
from typing import Any, Self

from psycopg import sql

_TABLES = ("r", "p", "v", "m", "f")  # as GRANT counts them
_OF_SCHEMA = """
    SELECT c.relname, c.relkind::text FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
    WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace(%s)
      AND d.classid = 'pg_class'::regclass
    ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class Relations:
    """Of a schema that does not exist: none."""

    schema: str
    tables: tuple[str, ...]
    """Views among them."""
    sequences: tuple[str, ...]
    droppable: tuple[str, ...]
    """What DROP TABLE drops."""

    @classmethod
    def of(cls, cursor: Any, schema: str) -> Self:
        cursor.execute(_OF_SCHEMA, [sql.Identifier(schema).as_string(None)])
        found = cursor.fetchall()

        def of_kinds(*kinds: str) -> tuple[str, ...]:
            return tuple(name for name, kind in found if kind in kinds)

        return cls(schema, of_kinds(*_TABLES), of_kinds("S"), of_kinds("r", "p"))

    def by_name(self, statement: str) -> str:
        """A format about ALL TABLES or ALL SEQUENCES of {schema}, with their names instead.

        Empty where there is none of the kind.
        """
        for kind, names in (("TABLE", self.tables), ("SEQUENCE", self.sequences)):
            everything = f"ALL {kind}S IN SCHEMA {{schema}}"
            if everything in statement:
                listed = ", ".join(
                    sql.Identifier(self.schema, name).as_string(None) for name in names
                )
                escaped = listed.replace("{", "{{").replace("}", "}}")
                return statement.replace(everything, f"{kind} {escaped}") if names else ""
        return statement
