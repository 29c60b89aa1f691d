"""What a Citus cluster says of itself: its version, its nodes, and which of them has a schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OLDEST_SUPPORTED = 13
"""The major version. Older ones were not tried."""


@dataclass(frozen=True, slots=True)
class Node:
    host: str
    port: int
    is_coordinator: bool
    is_active: bool
    takes_schemas: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def find_version(cursor: Any) -> str | None:
    """Of the extension in this database; None where there is none."""
    cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'citus'")
    found = cursor.fetchone()
    return None if found is None else str(found[0])


def list_nodes(cursor: Any) -> list[Node]:
    """Primaries, the coordinator first."""
    cursor.execute(
        "SELECT nodename, nodeport, groupid = 0, isactive, shouldhaveshards FROM pg_dist_node"
        " WHERE noderole = 'primary' ORDER BY groupid"
    )
    return [Node(*row) for row in cursor.fetchall()]


def list_reference_tables(cursor: Any) -> list[str]:
    """Tables of the shared schema that every node has."""
    cursor.execute(
        "SELECT c.relname FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid"
        " WHERE c.relnamespace = 'public'::regnamespace AND p.partmethod = 'n' AND p.repmodel = 't'"
    )
    return [row[0] for row in cursor.fetchall()]


def find_homes(cursor: Any, schemas: Sequence[str]) -> dict[str, list[str]]:
    """Schema → the nodes that have tables of it; distributed schemas alone. More than one is a fault."""
    cursor.execute(
        """
        SELECT s.nspname::text, array_agg(DISTINCT n.nodename || ':' || n.nodeport)
                                FILTER (WHERE n.nodename IS NOT NULL)
        FROM pg_dist_schema d
        JOIN pg_namespace s ON s.oid = d.schemaid
        LEFT JOIN pg_dist_partition p ON p.colocationid = d.colocationid
        LEFT JOIN pg_dist_shard h ON h.logicalrelid = p.logicalrelid
        LEFT JOIN pg_dist_placement t ON t.shardid = h.shardid
        LEFT JOIN pg_dist_node n ON n.groupid = t.groupid AND n.noderole = 'primary'
        WHERE s.nspname = ANY (%s)
        GROUP BY s.nspname
        """,
        [list(schemas)],
    )
    return {schema: homes or [] for schema, homes in cursor.fetchall()}


def list_strays(cursor: Any, schema: str) -> list[str]:
    """Tables of a distributed schema that Citus does not look after: they would stay behind."""
    cursor.execute(
        """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND c.relkind IN ('r', 'p')
          AND NOT EXISTS (SELECT FROM pg_dist_partition p WHERE p.logicalrelid = c.oid)
        ORDER BY 1
        """,
        [schema],
    )
    return [row[0] for row in cursor.fetchall()]
