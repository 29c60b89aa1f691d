"""What a Citus cluster says of itself: its version, its nodes, and which of them has a schema."""

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


def is_distributed(cursor: Any, schema: str) -> bool:
    """Whether a schema was made, or made over, to live on one node as a whole."""
    cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_dist_schema WHERE schemaid = to_regnamespace(quote_ident(%s)))",
        [schema],
    )
    return bool(cursor.fetchone()[0])


def find_places(cursor: Any, schema: str) -> dict[str, tuple[str, int]]:
    """Table → host and port of the node that has it. Tables that Citus does not know are left out."""
    cursor.execute(
        """
        SELECT c.relname, n.nodename, n.nodeport
        FROM pg_dist_partition p
        JOIN pg_class c ON c.oid = p.logicalrelid
        JOIN pg_dist_shard s ON s.logicalrelid = p.logicalrelid
        JOIN pg_dist_placement t ON t.shardid = s.shardid
        JOIN pg_dist_node n ON n.groupid = t.groupid AND n.noderole = 'primary'
        WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND t.shardstate = 1
        """,
        [schema],
    )
    return {table: (host, port) for table, host, port in cursor.fetchall()}
