"""The same compilers, with many rows of an INSERT as VALUES.

Citus cannot plan the `INSERT … SELECT * FROM UNNEST(…)` that Django makes of them.
"""

from django.db.models.sql import compiler

from shared_apps.tenants.database.compilers import (
    Announced,
    SQLAggregateCompiler,
    SQLCompiler,
    SQLDeleteCompiler,
    SQLUpdateCompiler,
)

__all__ = [
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


class SQLInsertCompiler(Announced, compiler.SQLInsertCompiler):
    pass
