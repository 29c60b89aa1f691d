"""Which tables there are, in the schema of the context and no other."""

from typing import Any

from django.db.backends.base.introspection import TableInfo as BaseTableInfo
from django.db.backends.postgresql.introspection import DatabaseIntrospection, TableInfo

_TABLES = """
    SELECT relname,
           CASE WHEN relispartition THEN 'p' WHEN relkind IN ('m', 'v') THEN 'v' ELSE 't' END,
           obj_description(oid, 'pg_class')
    FROM pg_catalog.pg_class
    WHERE relkind IN ('f', 'm', 'p', 'r', 'v') AND relnamespace = to_regnamespace(%s)
"""


class SchemaIntrospection(DatabaseIntrospection):
    """Django's own lists what is visible on the whole path, so a tenant without a table of migrations
    would seem to have the shared schema's; and it looks at every schema's tables to find out.
    """

    def get_table_list(self, cursor: Any) -> list[BaseTableInfo]:
        cursor.execute(_TABLES, [self.connection.ops.quote_name(self.connection.schema_name)])
        return [TableInfo(*row) for row in cursor.fetchall() if row[0] not in self.ignored_tables]
