"""Vendors, invoices and the policy over HTTP."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from shared_apps.core.context import TenantIdentity
from tests.client import Api

MakeApi = Callable[..., Api]


@pytest.fixture
def editor(api: MakeApi, acme: TenantIdentity) -> Api:
    return api(acme, "editor")


@pytest.fixture
def vendor(editor: Api) -> str:
    response = editor.post("vendors/", {"name": "Nordwind GmbH"})
    assert response.status_code == 201
    return str(response.json()["id"])


def _item(**changes: Any) -> dict[str, Any]:
    return {
        "description": "Work", "quantity": "2", "unit_price": "10.50", "tax_rate": "0.19", **changes
    }  # fmt: skip


def _draft(client: Api, vendor: str, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"vendor": vendor, "items": list(items) or [_item()], **fields}
    response = client.post("invoices/", body)
    assert response.status_code == 201, response.content
    made: dict[str, Any] = response.json()
    return made


def _count(client: Api, path: str) -> int:
    return int(client.get(path).json()["count"])


def test_a_new_invoice_is_a_draft_in_the_shape_of_the_contract(editor: Api, vendor: str) -> None:
    items = [_item(), _item(quantity="0.5", unit_price="12.345"), _item(tax_rate="0", unit_price=3)]

    made = _draft(editor, vendor, *items, due_date="2026-05-01")

    assert {k: v for k, v in made.items() if k not in ("id", "created_at", "created_by")} == {
        "kind": "INVOICE", "status": "DRAFT", "year": None, "number": None, "reference": None,
        "vendor": vendor, "vendor_name": "Nordwind GmbH", "original": None, "credit_note": None,
        "currency": "EUR", "rounding": "line", "net": "33.17", "tax": "5.16", "amount": "38.33",
        "due_date": "2026-05-01", "issued_at": None, "paid_at": None, "voided_at": None, "credited_at": None,
        "items": [
            {"position": 1, "description": "Work", "quantity": "2", "unit_price": "10.50",
             "tax_rate": "0.19", "net": "21.00", "tax": "3.99"},
            {"position": 2, "description": "Work", "quantity": "0.5", "unit_price": "12.345",
             "tax_rate": "0.19", "net": "6.17", "tax": "1.17"},
            {"position": 3, "description": "Work", "quantity": "2", "unit_price": "3.00",
             "tax_rate": "0", "net": "6.00", "tax": "0.00"},
        ],
    }  # fmt: skip
    assert made["created_by"] == editor.tokens["user"]["id"]
    assert editor.get(f"invoices/{made['id']}/").json() == made
    assert editor.get("invoices/").json()["results"] == [made]


@pytest.mark.parametrize(
    ("currency", "amount"), [("EUR", "11.90"), ("JPY", "12"), ("BHD", "11.900"), ("CLF", "11.9000")]
)
def test_amounts_are_strings_in_the_digits_of_the_currency(
    editor: Api, vendor: str, currency: str, amount: str
) -> None:
    made = _draft(editor, vendor, _item(quantity="1", unit_price="10"), currency=currency)

    assert made["amount"] == amount


@pytest.mark.parametrize(("rounding", "tax"), [("line", "1.00"), ("document", "0.57")])
def test_vat_is_rounded_as_the_invoice_says(
    editor: Api, vendor: str, rounding: str, tax: str
) -> None:
    items = [_item(quantity="1", unit_price="0.03")] * 100

    made = _draft(editor, vendor, *items, rounding=rounding)

    assert (made["rounding"], made["net"], made["tax"]) == (rounding, "3.00", tax)


def test_the_largest_amount_is_accepted_and_the_next_is_400(editor: Api, vendor: str) -> None:
    largest = _item(quantity="1", unit_price="9999999999.99", tax_rate="0")
    assert _draft(editor, vendor, largest)["amount"] == "9999999999.99"

    for items in (
        [_item(quantity="1", unit_price="10000000000.00", tax_rate="0")],
        [_item(quantity="2", unit_price="5000000000.00", tax_rate="0")],
        [largest, _item(quantity="1", unit_price="0.01", tax_rate="0")],
        [_item(quantity="1", unit_price="9999999999.99", tax_rate="0.19")],
    ):
        response = editor.post("invoices/", {"vendor": vendor, "items": items})
        assert response.status_code == 400, response.content
        assert response.json()["error"] == "Validation failed"
    assert _count(editor, "invoices/") == 1


@pytest.mark.parametrize(
    "value",
    [10.5, 0.1, True, None, "", " ", "1e5", "NaN", "Infinity", "-1", "1,5", "10.5.1", [], {}, "９"],
)
@pytest.mark.parametrize("field", ["quantity", "unit_price", "tax_rate"])
def test_a_bad_number_is_refused_by_the_name_of_its_field(
    editor: Api, vendor: str, field: str, value: Any
) -> None:
    body = {"vendor": vendor, "items": [_item(), _item(), _item(**{field: value})]}

    response = editor.post("invoices/", body)

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    items = response.json()["details"]["items"]
    assert (list(items), list(items["2"])) == (["2"], [field])
    if isinstance(value, float):
        assert "a string such as" in items["2"][field][0]
    assert _count(editor, "invoices/") == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"vendor": "nobody"}, "vendor"),
        ({"vendor": str(uuid4())}, "vendor"),
        ({"vendor": None}, "vendor"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"rounding": "up"}, "rounding"),
        ({"due_date": "01.05.2026"}, "due_date"),
        ({"items": None}, "items"),
        ({"items": "none"}, "items"),
        ({"items": [_item()] * 1001}, "items"),
        ({"items": ["none"]}, "items"),
        ({"items": [_item(description=" ")]}, "items"),
        ({"items": [_item(description="a\0b")]}, "items"),
        ({"items": [_item(quantity="0")]}, "items"),
        ({"items": [_item(quantity="1.00001")]}, "items"),
        ({"items": [_item(unit_price="1.0000001")]}, "items"),
        ({"items": [_item(tax_rate="1.01")]}, "items"),
        ({"items": [_item(discount="1")]}, "items"),
        ({"amount": "1.00"}, "amount"),
        ({"number": 7}, "number"),
        ({"status": "PAID"}, "status"),
    ],
)
def test_a_bad_body_is_refused_by_the_name_of_its_field(
    editor: Api, vendor: str, changes: dict[str, Any], field: str
) -> None:
    draft = _draft(editor, vendor)

    for response in (
        editor.post("invoices/", {"vendor": vendor, "items": [_item()], **changes}),
        editor.patch(f"invoices/{draft['id']}/", changes),
    ):
        assert response.status_code == 400, response.content
        body = response.json()
        assert (body["success"], body["error"]) == (False, "Validation failed")
        assert list(body["details"]) == [field]
    assert editor.get("invoices/").json()["results"] == [draft]


@pytest.mark.parametrize(
    "raw", ["", "[]", "null", "7", '"text"', "{", '{"items": [{"quantity": NaN}]}', '{"a": 1e999}']
)
def test_a_body_that_is_no_object_is_400(editor: Api, raw: str) -> None:
    response = editor.http.post(
        "/api/v1/invoices/", raw, content_type="application/json",
        headers={"host": editor.host, **editor.headers},
    )  # fmt: skip

    assert response.status_code == 400
    assert json.loads(response.content)["success"] is False


def test_a_vendor_of_another_tenant_is_unknown(
    editor: Api, api: MakeApi, globex: TenantIdentity
) -> None:
    theirs = api(globex, "editor").post("vendors/", {"name": "Globex supplies"}).json()["id"]

    response = editor.post("invoices/", {"vendor": theirs, "items": [_item()]})

    assert response.status_code == 400
    assert response.json()["details"] == {"vendor": ["There is no such vendor."]}
    assert editor.get(f"vendors/{theirs}/").status_code == 404


def test_an_invoice_is_not_there_for_another_tenant(
    editor: Api, vendor: str, api: MakeApi, globex: TenantIdentity
) -> None:
    made = _draft(editor, vendor)
    stranger, path = api(globex, "admin"), f"invoices/{made['id']}/"

    answers = [
        stranger.get(path),
        stranger.patch(path, {"currency": "USD"}),
        stranger.delete(path),
        *(stranger.post(f"{path}{step}/") for step in ("issue", "pay", "void", "credit-note")),
    ]

    assert [answer.status_code for answer in answers] == [404] * 7
    assert {answer.json()["code"] for answer in answers} == {"invoicing.invoice_not_found"}
    assert editor.get(path).json() == made
    assert _count(stranger, "invoices/") == 0


def test_the_life_of_an_invoice(editor: Api, vendor: str) -> None:
    path = f"invoices/{_draft(editor, vendor)['id']}/"

    changed = editor.patch(path, {"items": [_item(unit_price="100.00")], "rounding": "document"})
    issued = editor.post(f"{path}issue/")
    refused = [
        editor.patch(path, {"currency": "USD"}),
        editor.delete(path),
        editor.post(f"{path}issue/"),
    ]
    paid = editor.post(f"{path}pay/")
    note = editor.post(f"{path}credit-note/")
    too_late = editor.post(f"{path}void/")

    assert (changed.status_code, changed.json()["amount"]) == (200, "238.00")
    first = issued.json()
    assert (issued.status_code, first["status"], first["number"]) == (200, "ISSUED", 1)
    assert first["reference"] == f"{first['year']}-00001"
    assert [r.status_code for r in refused] == [409] * 3
    assert {r.json()["code"] for r in refused} == {"invoicing.invoice_not_draft"}
    assert (paid.status_code, paid.json()["status"]) == (200, "PAID")
    taken_back = note.json()
    assert (note.status_code, taken_back["kind"], taken_back["number"]) == (201, "CREDIT_NOTE", 2)
    assert (taken_back["amount"], taken_back["items"][0]["quantity"]) == ("-238.00", "-2")
    assert (too_late.status_code, too_late.json()["code"]) == (409, "invoicing.invoice_status")
    last = editor.get(path).json()
    assert (last["status"], last["credit_note"], last["amount"]) == (
        "CREDITED", taken_back["id"], "238.00"
    )  # fmt: skip


def test_void_keeps_the_number(editor: Api, vendor: str) -> None:
    path = f"invoices/{_draft(editor, vendor)['id']}/"
    editor.post(f"{path}issue/")

    voided = editor.post(f"{path}void/")

    assert (voided.status_code, voided.json()["status"], voided.json()["number"]) == (
        200,
        "VOID",
        1,
    )
    assert editor.post(f"{path}pay/").status_code == 409


def test_a_draft_may_be_empty_but_not_issued(editor: Api, vendor: str) -> None:
    for body in ({"vendor": vendor}, {"vendor": vendor, "items": []}):
        made = editor.post("invoices/", body).json()
        assert (made["amount"], made["items"]) == ("0.00", [])

        refused = editor.post(f"invoices/{made['id']}/issue/")

        assert (refused.status_code, refused.json()["code"]) == (409, "invoicing.invoice_empty")
        assert editor.delete(f"invoices/{made['id']}/").status_code == 204
        assert editor.get(f"invoices/{made['id']}/").status_code == 404


def test_steps_take_no_arguments(editor: Api, vendor: str) -> None:
    path = f"invoices/{_draft(editor, vendor)['id']}/"

    refused = editor.post(f"{path}issue/", {"number": 100})

    assert (refused.status_code, list(refused.json()["details"])) == (400, ["number"])
    assert editor.get(path).json()["status"] == "DRAFT"
    assert editor.post(f"{path}issue/", {}).status_code == 200


def test_vendors_are_made_changed_and_deleted(editor: Api, vendor: str) -> None:
    path = f"vendors/{vendor}/"

    changed = editor.patch(
        path, {"vat_id": "DE1", "email": "a@b.example", "address": "Kiel\nHafen 1"}
    )
    refused = [
        editor.post("vendors/", {}),
        editor.post("vendors/", {"name": "  "}),
        editor.post("vendors/", {"name": 7}),
        editor.post("vendors/", {"name": "x" * 201}),
        editor.post("vendors/", {"name": "x", "email": "nobody"}),
        editor.post("vendors/", {"name": "x", "colour": "red"}),
        editor.patch(path, {"name": ""}),
    ]

    assert (changed.status_code, changed.json()["address"]) == (200, "Kiel\nHafen 1")
    assert [r.status_code for r in refused] == [400] * 7
    assert _count(editor, "vendors/") == 1
    draft = _draft(editor, vendor)
    in_use = editor.delete(path)
    assert (in_use.status_code, in_use.json()["code"]) == (409, "invoicing.vendor_in_use")
    editor.delete(f"invoices/{draft['id']}/")
    assert editor.delete(path).status_code == 204
    assert editor.get(path).status_code == 404


def test_lists_are_paged_filtered_and_ordered(editor: Api, vendor: str) -> None:
    other = editor.post("vendors/", {"name": "Other AG"}).json()["id"]
    for price in ("3", "1", "2"):
        _draft(editor, vendor, _item(quantity="1", unit_price=price, tax_rate="0"))
    _draft(editor, other)
    first = editor.get("invoices/", ordering="amount").json()["results"][0]
    editor.post(f"invoices/{first['id']}/issue/")

    page = editor.get(
        "invoices/", vendor=vendor, status="DRAFT", ordering="-amount", page_size="1"
    ).json()

    assert (page["count"], [i["amount"] for i in page["results"]]) == (2, ["3.00"])
    for kept in ("vendor=", "status=DRAFT", "ordering=-amount", "page=2"):
        assert kept in page["next"]
    assert _count(editor, "invoices/?search=other") == 1
    assert _count(editor, "invoices/?status=ISSUED") == 1
    assert _count(editor, "invoices/?status=&vendor=") == 4
    assert editor.get("invoices/?page=9").status_code == 404
    for bad in (
        "status=LOST",
        "ordering=colour",
        "ordering=id",
        "ordering=amount,-amount",
        "vendor=me",
    ):
        answer = editor.get(f"invoices/?{bad}")
        assert (answer.status_code, list(answer.json()["details"])) == (400, [bad.split("=")[0]])
    assert editor.get("vendors/?ordering=address").status_code == 400


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (None, [401, 401, 401, 401, 401, 401, 401]),
        ("viewer", [200, 200, 403, 403, 403, 200, 403]),
        ("editor", [200, 200, 201, 200, 204, 200, 403]),
        ("admin", [200, 200, 201, 200, 204, 200, 200]),
    ],
)
def test_roles_decide_what_is_allowed(
    editor: Api,
    vendor: str,
    api: MakeApi,
    acme: TenantIdentity,
    role: str | None,
    expected: list[int],
) -> None:
    issued, doomed = _draft(editor, vendor), _draft(editor, vendor)
    client = api(acme, role)

    answers = [
        client.get("invoices/"),
        client.get(f"vendors/{vendor}/"),
        client.post("invoices/", {"vendor": vendor}),
        client.post(f"invoices/{issued['id']}/issue/"),
        client.delete(f"invoices/{doomed['id']}/"),
        client.get("invoicing/policy/"),
        client.patch("invoicing/policy/", {"payment_terms_days": 14}),
    ]

    assert [answer.status_code for answer in answers] == expected


def test_the_policy_is_used_for_new_invoices(
    editor: Api, vendor: str, api: MakeApi, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    admin = api(acme, "admin")
    defaults = {"vat_rounding": "line", "default_currency": "EUR", "payment_terms_days": 30}
    assert admin.get("invoicing/policy/").json() == defaults

    changed = admin.patch(
        "invoicing/policy/", {"vat_rounding": "document", "default_currency": "JPY"}
    )
    refused = [
        admin.patch("invoicing/policy/", body)
        for body in ({"vat_rounding": "up"}, {"default_currency": "yen"}, {"payment_terms_days": -1}, {"x": 1})
    ]  # fmt: skip

    wanted = defaults | {"vat_rounding": "document", "default_currency": "JPY"}
    assert (changed.status_code, changed.json()) == (200, wanted)
    assert [r.status_code for r in refused] == [400] * 4
    made = _draft(editor, vendor)
    assert (made["rounding"], made["currency"], made["amount"]) == ("document", "JPY", "25")
    assert api(globex, "admin").get("invoicing/policy/").json() == defaults


@pytest.mark.parametrize("path", ["vendors", "invoices", "invoicing/policy"])
def test_the_trailing_slash_is_optional(editor: Api, path: str) -> None:
    assert editor.get(path).status_code == editor.get(f"{path}/").status_code == 200
    assert editor.post("vendors", {"name": "No slash"}).status_code == 201


@pytest.mark.parametrize("path", ["vendors/", "invoices/", "invoicing/policy/"])
def test_options_tells_what_an_endpoint_is(editor: Api, path: str) -> None:
    answer = editor.options(path)

    assert answer.status_code == 200
    assert answer.json()["parses"] == ["application/json"]
    assert "GET" in answer.headers["Allow"]


def test_what_a_path_does_not_offer_is_405_and_nonsense_404(editor: Api, vendor: str) -> None:
    made = _draft(editor, vendor)

    assert editor.get(f"invoices/{made['id']}/issue/").status_code == 405
    assert editor.delete("invoices/").status_code == 405
    assert editor.get("invoices/7/").status_code == 404
    assert editor.get(f"invoices/{uuid4()}/").status_code == 404
