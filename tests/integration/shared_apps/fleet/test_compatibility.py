"""Migrations that would break the release that is still running are refused, each with a remedy."""

import pytest
from django.core.management import CommandError

from tests.fleet import Fleet


def _operations(text: str) -> str:
    return f"operations = [{text}]"


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        ('migrations.RemoveField("vendor", "address")', "reads and writes this column"),
        ('migrations.DeleteModel("invoicenumbercounter")', "uses this table"),
        ('migrations.RenameField("vendor", "address", "street")', "the old name only"),
        ('migrations.RenameModel("Vendor", "Supplier")', "the old name only"),
        ('migrations.AddField("vendor", "note", models.TextField(default=""))', "give it db_default"),
        ('migrations.AlterField("vendor", "name", models.CharField(max_length=10))', "longer values"),
        ('migrations.AlterField("vendor", "name", models.IntegerField())', "the old type"),
        ('migrations.RunSQL("ALTER TABLE invoicing_vendor DROP COLUMN address")', "takes something away"),
        (
            'migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField("vendor", "address")])',
            "reads and writes this column",
        ),
    ],
)  # fmt: skip
def test_it_is_refused(fleet: Fleet, operation: str, says: str) -> None:
    fleet.release(_0004_breaking=_operations(operation))
    with pytest.raises(CommandError) as raised:
        fleet.migrate()
    assert "invoicing.0004_breaking" in str(raised.value)
    assert says in str(raised.value)
    assert "--allow-breaking" in str(raised.value)


@pytest.mark.parametrize(
    "operation",
    [
        'migrations.AddField("vendor", "note", models.TextField(null=True))',
        'migrations.AddField("vendor", "note", models.TextField(db_default=""))',
        'migrations.AlterField("vendor", "name", models.CharField(max_length=500))',
        'migrations.CreateModel("Fresh", [("id", models.AutoField(primary_key=True))]),'
        ' migrations.AddField("fresh", "note", models.TextField(default=""))',
        'migrations.RunSQL("CREATE VIEW fresh AS SELECT id FROM invoicing_vendor -- DROP TABLE")',
    ],
)
def test_it_passes(fleet: Fleet, operation: str) -> None:
    fleet.release(_0004_adding=_operations(operation))
    assert fleet.migrate("--only", "acme")["exit"] == ""


def test_a_contract_that_says_so_passes_and_so_does_one_that_is_allowed(fleet: Fleet) -> None:
    removal = _operations('migrations.RemoveField("vendor", "address")')
    fleet.release(_0004_contract=f"contracts = True\n{removal}")
    assert fleet.migrate("--only", "acme")["exit"] == ""
    fleet.release(_0004_contract=removal)
    assert fleet.migrate("--allow-breaking", "--only", "globex")["exit"] == ""
