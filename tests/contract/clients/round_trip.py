"""With the client that was generated from the document: sign in, make a vendor and an invoice, find it again."""

import json
import sys

from freehold_client import AuthenticatedClient, Client
from freehold_client.api.authn import authn_login
from freehold_client.api.invoicing import (
    invoicing_invoice_create,
    invoicing_invoice_issue,
    invoicing_invoice_list,
    invoicing_vendor_create,
)
from freehold_client.models import (
    Invoice,
    InvoiceCreateInput,
    InvoiceItemInput,
    InvoiceStepInput,
    LoginInput,
    PaginatedInvoiceList,
    Problem,
    SignedIn,
    Vendor,
    VendorCreateInput,
)


def main(url: str, host: str, email: str, password: str) -> None:
    headers = {"Host": host}
    stranger = Client(base_url=url, headers=headers)
    refused = authn_login.sync(client=stranger, body=LoginInput(email=email, password="wrong"))
    assert isinstance(refused, Problem)
    signed_in = authn_login.sync(client=stranger, body=LoginInput(email=email, password=password))
    assert isinstance(signed_in, SignedIn), signed_in

    client = AuthenticatedClient(base_url=url, token=signed_in.access, headers=headers)
    vendor = invoicing_vendor_create.sync(client=client, body=VendorCreateInput(name="Paper AG"))
    assert isinstance(vendor, Vendor), vendor
    line = InvoiceItemInput(description="Paper", quantity="2", unit_price="10.50", tax_rate="0.19")
    body = InvoiceCreateInput(vendor=vendor.id, currency="EUR", items=[line])
    draft = invoicing_invoice_create.sync(client=client, body=body)
    assert isinstance(draft, Invoice), draft
    invoice = invoicing_invoice_issue.sync(draft.id, client=client, body=InvoiceStepInput())
    assert isinstance(invoice, Invoice), invoice
    page = invoicing_invoice_list.sync(client=client, vendor=vendor.id)
    assert isinstance(page, PaginatedInvoiceList), page
    print(
        json.dumps(
            {
                "refused": refused.code,
                "tenant": signed_in.tenant.slug if signed_in.tenant else None,
                "draft": [draft.status, draft.amount, draft.issued_at],
                "invoice": [invoice.status, invoice.number, invoice.items[0].tax],
                "listed": [str(one.id) == str(invoice.id) for one in page.results],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
