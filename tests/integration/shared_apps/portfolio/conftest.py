from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity

if TYPE_CHECKING:
    from tests.client import Api
    from tests.people import Person


@pytest.fixture
def make_invoice() -> Callable[..., UUID]:
    """`make_invoice(acme, "119.00", vendor="Nordwind")`: a draft of one item, without tax."""
    from tenant_apps.invoicing.services import drafts, vendors
    from tests.integration.tenant_apps.invoicing.lines import line

    def make(tenant: TenantIdentity, price: str = "10.00", vendor: str = "Nordwind") -> UUID:
        person = uuid4()
        with context.tenant(tenant):
            vendor_id = vendors.create_vendor(name=vendor, created_by=person).id
            items = [line("1", price)]
            return drafts.create_invoice(vendor_id=vendor_id, items=items, created_by=person).id

    return make


@pytest.fixture
def reader(system: object) -> "Callable[[Person], Api]":
    """A client at the public host, signed in."""

    from tests.client import Api

    def sign_in(person: "Person") -> Api:
        client = Api(None)
        client.sign_in(person.email, person.password)
        return client

    return sign_in
