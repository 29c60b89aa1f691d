"""Django's compilers for PostgreSQL, which say of each statement that writes whose rows it changes."""

from typing import Any

from django.db.backends.postgresql import compiler as postgresql

from shared_apps.core.caching import invalidation


class Announced:
    """Put in front of the compiler of a statement that writes."""

    query: Any
    connection: Any

    def execute_sql(self, *args: Any, **options: Any) -> Any:
        model = self.query.get_meta()
        with invalidation.changing(model.label_lower, connection=self.connection):
            return super().execute_sql(*args, **options)  # type: ignore[misc]  # a mixin of compilers


class SQLCompiler(postgresql.SQLCompiler):
    pass


class SQLAggregateCompiler(postgresql.SQLAggregateCompiler):
    pass


class SQLInsertCompiler(Announced, postgresql.SQLInsertCompiler):
    pass


class SQLUpdateCompiler(Announced, postgresql.SQLUpdateCompiler):
    pass


class SQLDeleteCompiler(Announced, postgresql.SQLDeleteCompiler):
    pass
