"""What a tenant's SQL can write and Python or an index cannot take must not stop the tenant's trail."""

from collections.abc import Callable
from hashlib import sha256

import pytest

from shared_apps.audit.images import NOT_COMPARED, load_values
from shared_apps.audit.selectors import Entry, EntryFilter, list_entries
from shared_apps.audit.triggers import AuditedTable
from shared_apps.core.context import TenantIdentity
from tests.audited import as_tenant, tables
from tests.client import Api
from tests.installation import Installation

ODD = AuditedTable("odd", ("name",), (), (), "shop.odd")
# Random, so that it cannot be compressed; a key of the table itself may be that long.
LONG = "".join(sha256(str(number).encode()).hexdigest() for number in range(40))
DEEP = "[" * 3000 + "]" * 3000


def trail(tenant: TenantIdentity) -> list[Entry]:
    where = EntryFilter(entity_type="odd")
    return list_entries(tenant_id=tenant.id, where=where, limit=10)[::-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("number", "9" * 5000), ("depth", DEEP), (LONG, "1")],
    ids=["a long number", "a deep value", "a long name"],
)
def test_it_is_in_the_trail_with_what_comes_after(
    system: Installation,
    acme: TenantIdentity,
    globex: TenantIdentity,
    api: Callable[..., Api],
    name: str,
    value: str,
) -> None:
    make = 'CREATE TABLE odd (name text COLLATE "C" PRIMARY KEY, value jsonb)'
    system.relay()
    with tables(system, acme, make=make, audited=[ODD]), as_tenant(acme) as connection:
        before = len(trail(acme))
        connection.execute("INSERT INTO odd VALUES (%s, %s)", [name, value])
        connection.execute("UPDATE odd SET value = '2'")

        assert system.relay() == 2

    made, changed = trail(acme)[before:]
    assert (made.operation, changed.operation) == ("CREATE", "UPDATE")
    assert (changed.new_values or "").endswith('"value": 2}')
    assert value in (made.new_values or "").replace(" ", "")
    expected = name if len(name) < 2000 else f"sha256:{sha256(name.encode()).hexdigest()}"
    assert made.record_id == expected
    found = list_entries(tenant_id=acme.id, where=EntryFilter(record_id=name), limit=10)
    assert [entry.uid for entry in found[:2]] == [changed.uid, made.uid]
    page = api(acme, "admin").get(f"audit/entries/?record_id={found[0].record_id}")
    assert [entry["operation"] for entry in page.json()["results"][:2]] == ["UPDATE", "CREATE"]
    assert (load_values(made.diff) == NOT_COMPARED) is (value == DEEP)
