"""Pages, filters, search and order of a list whose view declares no more than their fields."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.viewsets import ModelViewSet, ViewSet

from shared_apps.core.api.routers import ApiRouter
from tests.client import Api

MakeVendors = Callable[[int], None]


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["name"] for one in answer.json()["results"]]


def test_75_rows_are_two_pages_and_no_third(plain: Api, make_vendors: MakeVendors) -> None:
    make_vendors(75)

    first = plain.get("bare/").json()
    second = plain.get(first["next"].removeprefix("http://acme.localhost")).json()

    assert (first["count"], len(first["results"]), first["previous"]) == (75, 50, None)
    assert (second["count"], len(second["results"]), second["next"]) == (75, 25, None)
    assert second["previous"] == "http://acme.localhost/api/v1/bare/"
    assert len({one["id"] for one in [*first["results"], *second["results"]]}) == 75
    assert plain.get("bare/?page=3").status_code == 404
    assert plain.get("bare/?page=99999999999999999").status_code == 404


def test_an_empty_list_has_a_first_page(plain: Api) -> None:
    answer = plain.get("bare/")

    assert answer.json() == {"count": 0, "next": None, "previous": None, "results": []}
    assert plain.get("bare/?page=2").status_code == 404


def test_a_page_is_never_larger_than_500(plain: Api, make_vendors: MakeVendors) -> None:
    make_vendors(501)

    for asked in ("page_size=100000", "limit=100000"):
        page = plain.get(f"declared/?{asked}&ordering=name").json()
        assert (page["count"], len(page["results"])) == (501, 500)
        rest = plain.get(page["next"].removeprefix("http://acme.localhost"))
        assert names(rest) == ["vendor 500"]


def test_limit_and_offset_give_the_same_envelope(plain: Api, make_vendors: MakeVendors) -> None:
    make_vendors(10)

    page = plain.get("declared/?ordering=name&limit=4&offset=3").json()

    assert list(page) == ["count", "next", "previous", "results"]
    assert [one["name"] for one in page["results"]] == [f"vendor {n:03}" for n in range(3, 7)]
    base = "http://acme.localhost/api/v1/declared/?limit=4&"
    assert page["next"] == f"{base}offset=7&ordering=name"
    assert page["previous"] == f"{base}offset=0&ordering=name"
    beyond = plain.get("declared/?limit=4&offset=999999999999999999").json()
    assert (beyond["count"], beyond["results"], beyond["next"]) == (10, [], None)


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ("page=0", ["page"]),
        ("page=-1", ["page"]),
        ("page=x", ["page"]),
        ("page=last", ["page"]),
        ("page=1e3", ["page"]),
        ("page=%D9%A1", ["page"]),
        ("page=" + "9" * 5000, ["page"]),
        ("page_size=0", ["page_size"]),
        ("page_size=1.5", ["page_size"]),
        ("limit=0", ["limit"]),
        ("offset=-1", ["offset"]),
        ("limit=5&page=1", ["page"]),
        ("offset=5&page_size=5", ["page_size"]),
        ("page=1&page=2", ["page"]),
        ("colour=red", ["colour"]),
        ("nmae=x&page=1", ["nmae"]),
        ("ordering=created_at", ["ordering"]),
        ("ordering=name,,email", ["ordering"]),
        ("ordering=name,-name", ["ordering"]),
        ("ordering=created_by", ["ordering"]),
        ("search=" + "x" * 201, ["search"]),
        ("search=a%00b", ["search"]),
        ("name__contains=x", ["name__contains"]),
    ],
)
def test_what_a_list_is_not_asked_is_refused_by_name(
    plain: Api, asked: str, wrong: list[str]
) -> None:
    answer = plain.get(f"declared/?{asked}")

    assert (answer.status_code, list(answer.json()["details"])) == (400, wrong), answer.content


@pytest.mark.parametrize("asked", ["search=x", "ordering=name", "name=x"])
def test_what_a_view_does_not_declare_is_not_offered(plain: Api, asked: str) -> None:
    assert plain.get(f"bare/?{asked}").status_code == 400
    assert plain.get(f"declared/?{asked}").status_code == 200


def test_all_together_are_one_statement_and_kept_in_the_links(
    plain: Api, make_vendors: MakeVendors
) -> None:
    make_vendors(120)
    path = "declared/?search=vendor+0@v&ordering=-name&page=2&page_size=20"

    with CaptureQueriesContext(connection) as queries:
        page = plain.get(path)

    assert names(page) == [f"vendor {n:03}" for n in range(78, 38, -2)]
    assert page.json()["count"] == 60
    for link, number in (("next", 3), ("previous", None)):
        kept = page.json()[link]
        assert "search=vendor+0%40v" in kept
        assert "ordering=-name" in kept
        assert (f"page={number}" in kept) == (number is not None)
    (listed,) = [q["sql"] for q in queries if 'ORDER BY "invoicing_vendor"' in q["sql"]]
    assert listed.endswith(
        'ORDER BY "invoicing_vendor"."name" DESC, "invoicing_vendor"."id" ASC LIMIT 20 OFFSET 20'
    )


def test_equal_rows_come_once_whatever_the_page(plain: Api, make_vendors: MakeVendors) -> None:
    make_vendors(30)

    pages = [plain.get(f"declared/?ordering=email&page_size=7&page={n}") for n in range(1, 6)]

    assert sorted(name for page in pages for name in names(page)) == [
        f"vendor {n:03}" for n in range(30)
    ]


def test_a_stream_goes_on_where_it_was_while_it_grows(
    plain: Api, make_vendors: MakeVendors
) -> None:
    make_vendors(5)
    first = plain.get("stream/?page_size=3").json()
    plain.post("stream/", {"name": "vendor 000 again", "email": ""})

    second = plain.get(first["next"].removeprefix("http://acme.localhost"))

    assert [one["name"] for one in first["results"]] == ["vendor 000", "vendor 001", "vendor 002"]
    assert names(second) == ["vendor 003", "vendor 004"]
    assert plain.get("stream/?cursor=nonsense").status_code == 400
    assert plain.get("stream/?page=2").status_code == 400


@pytest.mark.parametrize(
    ("attributes", "base"),
    [
        ({"pagination_class": None}, ModelViewSet),
        ({"filter_backends": ()}, ModelViewSet),
        ({"if_match_required": True}, ModelViewSet),
        ({"list": lambda *_: None}, ViewSet),
    ],
)
def test_a_viewset_that_gives_up_a_convention_is_refused(
    attributes: dict[str, Any], base: type[Any]
) -> None:
    from tenant_apps.invoicing.models import InvoicingPolicy

    viewset = type("Lax", (base,), {"queryset": InvoicingPolicy.objects.all(), **attributes})

    with pytest.raises(ImproperlyConfigured, match="Lax"):
        ApiRouter().register("lax", viewset)
