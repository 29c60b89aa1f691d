"""django-tenants' own backend, told by our context which schema to use: better treated than in the wild,
where the tenant is kept on the connection and lost by the next thread."""

from typing import Any

from django_tenants.postgresql_backend.base import DatabaseWrapper as StockWrapper

from shared_apps.core import context


class DatabaseWrapper(StockWrapper):
    def _cursor(self, name: str | None = None) -> Any:
        scope = context.current()
        schema = scope.schema if isinstance(scope, context.TenantIdentity) else "public"
        if self.schema_name != schema:
            self.set_schema(schema)
        return super()._cursor(name)
