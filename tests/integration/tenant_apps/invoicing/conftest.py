from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity


@pytest.fixture
def at_acme(acme: TenantIdentity) -> Iterator[TenantIdentity]:
    """The test's code works for acme."""
    with context.tenant(acme):
        yield acme


@pytest.fixture
def person() -> UUID:
    """Somebody; rows of a tenant know people by their id only."""
    return uuid4()


@pytest.fixture
def vendor_id(at_acme: TenantIdentity, person: UUID) -> UUID:
    from tenant_apps.invoicing.services import vendors

    return vendors.create_vendor(name="Nordwind GmbH", created_by=person).id


@pytest.fixture
def make_draft(vendor_id: UUID, person: UUID) -> Callable[..., UUID]:
    """`make_draft("10.00", "5.00")`: a draft at acme with an item at 19 % for each price."""
    from tenant_apps.invoicing.services import drafts
    from tests.integration.tenant_apps.invoicing.lines import line

    def make(*prices: str, **options: object) -> UUID:
        items = [line("1", price) for price in prices]
        return drafts.create_invoice(
            vendor_id=vendor_id, items=items, created_by=person, **options
        ).id

    return make
