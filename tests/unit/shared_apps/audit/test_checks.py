"""What `manage.py check` says of a declaration that would not be carried out."""

from django.apps.registry import Apps
from django.db import models

from shared_apps.audit.checks import check_declarations
from shared_apps.audit.models import Auditable, AuditPolicy

_apps = Apps(["tests"])


class Declared(Auditable):
    audit = AuditPolicy(exclude=("id", "gone", "name"), redact=("name",))

    id = models.IntegerField(primary_key=True)
    name = models.TextField()

    class Meta:
        apps = _apps
        app_label = "tests"


class Elsewhere(Auditable):
    class Meta:
        apps = _apps
        app_label = "tests"
        managed = False


class Wide(Auditable):
    a, b, c, d, e = (models.IntegerField() for _ in range(5))
    pk = models.CompositePrimaryKey("a", "b", "c", "d", "e")
    audit = None  # type: ignore[assignment]  # what the check is about

    class Meta:
        apps = _apps
        app_label = "tests"


def test_each_is_named() -> None:
    found = [
        (message.id, message.obj, message.msg)
        for message in check_declarations(app_configs=list(_apps.get_app_configs()))
    ]
    assert found == [
        ("audit.E005", Declared, "AuditPolicy names 'id', a part of the primary key."),
        ("audit.E004", Declared, "AuditPolicy names 'gone', which is no field with a column."),
        ("audit.E006", Declared, "AuditPolicy names 'name' twice."),
        ("audit.E001", Elsewhere, "An Auditable model has a table that migrations do not manage."),
        ("audit.E002", Wide, "The primary key of an Auditable model has more than 4 columns."),
        ("audit.E003", Wide, "`audit` is no AuditPolicy."),
    ]


def test_the_products_own_declarations_are_carried_out() -> None:
    assert check_declarations() == []
