"""`fleet compatible`: may this release be rolled back to, with every schema as it stands now?"""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from shared_apps.fleet.services import MIGRATION_ALIAS
from tests.fleet import Fleet

ADD = """
operations = [migrations.AddField("vendor", "note", models.CharField(max_length=20, db_default="none"))]
"""
TAKE_AWAY = """
contracts = True
operations = [migrations.RemoveField("vendor", "name")]
"""
DEMAND = """
contracts = True
operations = [migrations.AddField("vendor", "code", models.CharField(max_length=20))]
"""
NARROW = """
contracts = True
operations = [migrations.RunSQL("ALTER TABLE invoicing_vendor ALTER COLUMN name TYPE bytea USING name::bytea")]
"""


def compatible() -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    try:
        call_command("fleet", "compatible", "--json", stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def problems(said: dict[str, Any]) -> dict[str, str]:
    return {found["tenant"]: found["problem"] for found in said["unservable"]}


def test_an_installation_at_this_release(fleet: Fleet) -> None:
    code, said = compatible()

    assert (code, said["compatible"], said["tenants"], said["ahead"]) == (0, True, 2, 0)


def test_a_release_that_only_added_may_be_rolled_back(fleet: Fleet) -> None:
    fleet.release(_0099_note=ADD)
    fleet.migrate()
    fleet.undo_release()

    code, said = compatible()

    assert (code, said["ahead"], said["unservable"]) == (0, 2, [])


@pytest.mark.parametrize(
    ("migration", "problem"),
    [
        (TAKE_AWAY, "invoicing_vendor.name is missing"),
        (DEMAND, "invoicing_vendor.code must be given and is not known to this release"),
        (NARROW, "invoicing_vendor.name is bytea instead of varchar(200)"),
    ],
)
def test_one_tenant_whose_schema_went_too_far_is_named(
    fleet: Fleet, migration: str, problem: str
) -> None:
    fleet.release(_0099_further=migration)
    fleet.migrate("--only", "globex", "--allow-breaking")
    fleet.undo_release()

    code, said = compatible()

    assert (code, problems(said)) == (1, {"globex": problem})


def test_a_tenant_that_is_behind_is_named(fleet: Fleet) -> None:
    fleet.release(_0099_note=ADD)
    fleet.migrate("--only", "acme")

    code, said = compatible()

    assert (code, problems(said)) == (1, {"globex": "lacks invoicing.0099_note"})


def test_the_shared_schema_is_looked_at(fleet: Fleet) -> None:
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('accounts', '9999_later', now())"
        )
        try:
            assert compatible()[0] == 0
            cursor.execute("ALTER TABLE accounts_user RENAME COLUMN name TO full_name")
            code, said = compatible()
        finally:
            cursor.execute("ALTER TABLE accounts_user RENAME COLUMN full_name TO name")
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_later'")

    assert code == 1
    assert problems(said) == {
        None: "accounts_user.full_name must be given and is not known to this release;"
        " accounts_user.name is missing"
    }
