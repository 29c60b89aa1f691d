"""Whatever a tenant's SQL claims of its actor, the relay goes on, and the trail says that it was no such thing."""

import json
from uuid import UUID

import pytest
from django.db import connection, transaction

from shared_apps.audit import selectors
from shared_apps.audit.selectors import Entry, EntryFilter
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Vendor
from tests.installation import Installation

_MALFORMED = {"unknown": "what was set is no attribution"}
_KNOWN = '{"user_id":"00000000-0000-0000-0000-000000000007"}'


def _write(tenant: TenantIdentity, claim: str) -> UUID:
    with context.tenant(tenant), attribution.acting(attribution.command("test")):
        return _claim_and_write(claim)


@transaction.atomic
def _claim_and_write(claim: str) -> UUID:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('freehold.attribution', %s, true)", [claim])
    return Vendor.objects.create(name="claimed", created_by=UUID(int=0)).id


def _entry_of(tenant: TenantIdentity, record_id: UUID) -> Entry:
    where = EntryFilter(record_id=str(record_id))
    (entry,) = selectors.list_entries(tenant_id=tenant.id, where=where, limit=2)
    return entry


@pytest.mark.parametrize(
    "claim",
    [
        '{"user_id": 5}',
        '{"user_id": ["a"], "request_id": {"b": 1}}',
        '{"user_id": "a\\u0000b"}',
        '{"user_id": "\\ud800"}',
        '{"user_id": NaN}',
        '{"user_id": "the boss"}',
        '{"user_id": "%s"}' % ("x" * 100_000),
        "[" * 200_000,
        '{"ip":' * 50_000,
        '"a text"',
        "no JSON",
    ],
    ids=lambda claim: claim[:30],
)
def test_a_malformed_claim_stops_nobody(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, claim: str
) -> None:
    claimed, honest = _write(acme, claim), _write(globex, _KNOWN)

    system.relay()

    entry = _entry_of(acme, claimed)
    assert json.loads(entry.attribution) == _MALFORMED
    assert (entry.modified_by, entry.request_id) == (None, None)
    assert _entry_of(globex, honest).modified_by == str(UUID(int=7))


def test_who_is_not_known_is_said(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex):
        nobody, anonymous = (
            _write(tenant, ""),
            _write(tenant, '{"request_id":"r","ip":"192.0.2.1"}'),
        )
        system.relay()

        assert json.loads(_entry_of(tenant, nobody).attribution) == {
            "unknown": "no attribution was set"
        }
        entry = _entry_of(tenant, anonymous)
        assert json.loads(entry.attribution) == {
            "ip": "192.0.2.1",
            "request_id": "r",
            "unknown": "nobody had signed in",
        }
        assert (entry.modified_by, entry.request_id) == (None, "r")
