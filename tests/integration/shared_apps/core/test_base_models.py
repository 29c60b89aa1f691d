"""Versions and times of rows, whichever way they are changed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from shared_apps.core import context
from shared_apps.core.base_models import StaleRowError
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Vendor


@pytest.fixture
def vendor(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[Vendor]:
    """A row of acme; globex has one with the same key."""
    key = uuid4()
    with context.tenant(globex):
        Vendor.objects.create(id=key, name="theirs", created_by=uuid4())
    with context.tenant(acme):
        yield Vendor.objects.create(id=key, name="Nordwind", created_by=uuid4())
    with context.tenant(globex):
        theirs = Vendor.objects.get(id=key)
        assert (theirs.name, theirs.version) == ("theirs", 1)


def stored(vendor: Vendor) -> tuple[str, int, datetime]:
    row: tuple[str, int, datetime] = Vendor.objects.values_list(
        "name", "version", "updated_at"
    ).get(id=vendor.id)
    return row


def save(vendor: Vendor) -> None:
    vendor.name = "changed"
    vendor.save()


def save_a_field(vendor: Vendor) -> None:
    vendor.name = "changed"
    vendor.save(update_fields=["name"])


def save_without_loading_all(vendor: Vendor) -> None:
    partly = Vendor.objects.only("name").get(id=vendor.id)
    partly.name = "changed"
    partly.save(update_fields=["name"])


def update(vendor: Vendor) -> None:
    assert Vendor.objects.filter(id=vendor.id).update(name="changed") == 1


def bulk_update(vendor: Vendor) -> None:
    vendor.name = "changed"
    Vendor.objects.bulk_update([vendor], ["name"])


def update_or_create(vendor: Vendor) -> None:
    Vendor.objects.update_or_create(id=vendor.id, defaults={"name": "changed"})


@pytest.mark.parametrize(
    "change",
    [save, save_a_field, save_without_loading_all, update, bulk_update, update_or_create],
)
def test_every_change_moves_version_and_time(vendor: Vendor, change: Any) -> None:
    _, version, before = stored(vendor)

    change(vendor)

    name, moved, after = stored(vendor)
    assert (name, version, moved) == ("changed", 1, 2)
    assert after > before > vendor.created_at.replace(year=2000)


def test_one_instance_is_saved_again_and_again(vendor: Vendor) -> None:
    for version in (2, 3, 4):
        vendor.name = f"v{version}"
        vendor.save(update_fields=["name"] if version == 3 else None)
        assert (vendor.version, vendor.changed_fields()) == (version, ())
    assert stored(vendor)[:2] == ("v4", 4)


def test_what_was_changed_with_others_is_saved_again_unless_somebody_else_changed_it(
    vendor: Vendor,
) -> None:
    bulk_update(vendor)
    vendor.name = "again"
    vendor.save()
    assert stored(vendor)[:2] == ("again", 3)
    update(vendor)
    bulk_update(vendor)

    with pytest.raises(StaleRowError):
        vendor.save()


@pytest.mark.parametrize("fields", [None, ["name"]])
def test_what_was_changed_meanwhile_is_not_overwritten(
    vendor: Vendor, fields: list[str] | None
) -> None:
    update(vendor)
    vendor.name = "mine"

    with pytest.raises(StaleRowError):
        vendor.save(update_fields=fields)

    assert stored(vendor)[:2] == ("changed", 2)
    vendor.refresh_from_db()
    vendor.name = "mine"
    vendor.save()
    assert stored(vendor)[:2] == ("mine", 3)


def test_what_was_deleted_meanwhile_is_not_made_again(acme: TenantIdentity) -> None:
    with context.tenant(acme):
        vendor = Vendor.objects.create(name="Nordwind", created_by=uuid4())
        Vendor.objects.filter(id=vendor.id).delete()
        vendor.name = "mine"

        with pytest.raises(StaleRowError):
            vendor.save()

        assert not Vendor.objects.exists()


def test_what_is_rolled_back_has_moved_nothing(vendor: Vendor) -> None:
    with transaction.atomic():
        update(vendor)
        transaction.set_rollback(True)

    assert stored(vendor)[:2] == ("Nordwind", 1)
