"""Run a task for a tenant that is gone on django-tenants and tenant-schemas-celery as they come.

Its own process and settings; the argument is the URL of an empty database. Prints JSON.
"""

import json
import sys

import django
import psycopg
from django.conf import settings

_url = psycopg.conninfo.conninfo_to_dict(sys.argv[1])
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django_tenants.postgresql_backend",
            "NAME": _url["dbname"],
            "USER": _url["user"],
            "PASSWORD": _url.get("password", ""),
            "HOST": _url["host"],
            "PORT": _url["port"],
        }
    },
    INSTALLED_APPS=["django_tenants", "django.contrib.contenttypes", "tests.stock.shop"],
    SHARED_APPS=["django_tenants", "django.contrib.contenttypes", "tests.stock.shop"],
    TENANT_APPS=["tests.stock.shop"],
    TENANT_MODEL="shop.Customer",
    TENANT_DOMAIN_MODEL="shop.Address",
    DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.db import connection
from django_tenants.utils import schema_context
from tenant_schemas_celery.app import CeleryApp

from tests.stock.shop.models import Address, Customer, Marker

app = CeleryApp("stock", set_as_current=True)


@app.task
def read_markers() -> dict[str, object]:
    return {
        "schema": connection.schema_name,
        "markers": list(Marker.objects.values_list("text", flat=True)),
    }


def main() -> None:
    with connection.schema_editor() as editor:
        for model in (Customer, Address, Marker):
            editor.create_model(model)
    Marker.objects.create(text="of public")
    customer = Customer.objects.create(schema_name="ta")
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA ta")
    with schema_context("ta"):
        with connection.schema_editor() as editor:
            editor.create_model(Marker)
        Marker.objects.create(text="of ta")
    alive = _run()
    customer.delete(force_drop=True)
    print(json.dumps({"alive": alive, "deleted": _run(), "unnamed": _run(headers={})}))


def _run(**options: object) -> dict[str, object]:
    result = read_markers.apply(**({"headers": {"_schema_name": "ta"}} | options))
    return {"state": result.state, "result": result.result}


main()
