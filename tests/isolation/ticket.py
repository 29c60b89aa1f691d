"""A shared table of tickets that tenants read and write themselves, as a customer's app might add one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps.registry import Apps
from django.db import connections, models

from shared_apps.core import context
from shared_apps.core.row_rights import ALL_COLUMNS, RowRights
from shared_apps.fleet import row_security
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.scoping import TenantScoped

_EVERYTHING = RowRights(tenants=("SELECT", "INSERT", "UPDATE", "DELETE"), readers=ALL_COLUMNS)

# A registry of their own: the product's apps do not know of them.
_apps = Apps()


class Queue(TenantScoped):
    row_rights = _EVERYTHING
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=50)

    class Meta(TenantScoped.Meta):
        apps = _apps
        app_label = "scratch"


class Ticket(TenantScoped):
    row_rights = _EVERYTHING
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    queue = models.ForeignKey(Queue, null=True, on_delete=models.CASCADE, related_name="tickets")
    title = models.CharField(max_length=50)
    priority = models.IntegerField(default=0)

    class Meta(TenantScoped.Meta):
        apps = _apps
        app_label = "scratch"
        indexes = [models.Index(fields=["tenant", "id"], name="scratch_ticket_by_tenant")]


MODELS = (Queue, Ticket)


@contextmanager
def tables() -> Iterator[None]:
    """Made and sealed by the migration login, as a migration would."""
    rights = {model._meta.db_table: model.row_rights for model in MODELS}
    with context.operator():
        connection = connections["migration"]
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        with connection.cursor() as cursor:
            _grant_operator(cursor)
            row_security.seal(cursor, {**row_security.declared(), **rights})
    try:
        yield
    finally:
        with context.operator(), connections["migration"].schema_editor() as editor:
            for model in reversed(MODELS):
                editor.delete_model(model)


def _grant_operator(cursor: Any) -> None:
    from shared_apps.fleet import grants
    from shared_apps.fleet.catalogue.relations import Relations

    for statement in grants.shared_schema(Relations.of(cursor, "public")):
        cursor.execute(statement)
