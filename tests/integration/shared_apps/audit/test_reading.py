"""Questions to the trail and their exact answers, for a tenant's administrator and for auditors."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import Installation
from tests.people import make_auditor
from tests.trail import Change, append

ApiOf = Callable[..., Api]
NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def _own(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return response.json()


def _walk(client: Api, address: str, results: str = "results") -> tuple[list[str], list[str]]:
    """The ids of all pages on the way to the oldest, and on the way back."""
    page = _own(client.get(address))
    there = [[entry["id"] for entry in page[results]]]
    while page["next"]:
        page = _own(client.get(_path(page["next"])))
        there.append([entry["id"] for entry in page[results]])
    back = [there[-1]]
    while page["previous"]:
        page = _own(client.get(_path(page["previous"])))
        back.insert(0, [entry["id"] for entry in page[results]])
    return [id for ids in there for id in ids], [id for ids in back for id in ids]


def _path(link: str) -> str:
    return link.split("localhost", 1)[1].lstrip(":0123456789")


@pytest.fixture
def entity(acme: TenantIdentity, globex: TenantIdentity) -> str:
    """Eleven changes of three records, three of them in one moment; globex has one of the same name."""
    name = f"shop.{uuid4().hex}"
    moments = [NOON + timedelta(seconds=n // 3) for n in range(11)]
    append(
        acme.id,
        [
            Change(
                at=moment, entity=name, record_id=str(number % 3),
                operation="CREATE" if number < 3 else "DELETE" if number == 10 else "UPDATE",
                new_values=None if number == 10 else f'{{"n": {number}}}',
                by="system:even" if number % 2 == 0 else None, request_id=f"{name}-{number % 4}",
            )
            for number, moment in enumerate(moments)
        ],
    )  # fmt: skip
    append(globex.id, [Change(at=NOON, entity=name, record_id="0", request_id=f"{name}-0")])
    return name


def _count(client: Api, **query: Any) -> int:
    return len(_own(client.get("audit/entries/", **query))["results"])


def test_filters_and_their_combinations(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiOf, entity: str
) -> None:
    admin = api(acme, "admin")
    asked = {"entity_type": entity}
    assert _count(admin, **asked) == 11
    assert _count(admin, **asked, operation="CREATE") == 3
    assert _count(admin, **asked, operation="DELETE") == 1
    assert _count(admin, **asked, record_id="1") == 4
    assert _count(admin, record_id="1", entity_type=f"{entity} ") == 0
    assert _count(admin, **asked, modified_by="system:even") == 6
    assert _count(admin, request_id=f"{entity}-2") == 3
    assert _count(admin, **asked, request_id=f"{entity}-2", record_id="0", operation="UPDATE") == 1
    assert _count(api(globex, "admin"), **asked) == 1


def test_moments_are_exact_and_of_any_time_zone(
    acme: TenantIdentity, api: ApiOf, entity: str
) -> None:
    admin, asked = api(acme, "admin"), {"entity_type": entity}
    noon = "2031-05-05T12:00:00"
    assert _count(admin, **asked, **{"from": f"{noon}Z"}) == 11
    assert _count(admin, **asked, **{"from": f"{noon}.000001Z"}) == 8
    assert _count(admin, **asked, to=f"{noon}Z") == 0
    assert _count(admin, **asked, to=f"{noon}.000001Z") == 3
    assert _count(admin, **asked, **{"from": f"{noon}Z", "to": f"{noon}Z"}) == 0
    assert _count(admin, **asked, to="2031-05-05T17:45:00.000001+05:45") == 3
    assert _count(admin, **asked, to="2031-05-05T05:00:01-07:00") == 3
    assert (
        _count(admin, **asked, **{"from": "0001-01-01T00:00:00Z"}, to="9999-12-31T23:59:59Z") == 11
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2031-05-05T12:00:01Z&to=2031-05-05T12:00:00Z", "from"),
        ("from=0001-01-01T00:00:00%2B14:00", "from"),
        ("to=10000-01-01T00:00:00Z", "to"),
        ("operation=CREATE&operation=DELETE", "operation"),
        ("colour=red", "colour"),
        ("page_size=501", "page_size"),
        ("page_size=99999999999999999999", "page_size"),
        ("page_size=-1", "page_size"),
        ("record_id=", "record_id"),
        ("record_id=a%00b", "record_id"),
        ("modified_by=%00", "modified_by"),
        ("request_id=%ED%A0%80%00", "request_id"),
        ("cursor=x", "cursor"),
        ("cursor=W10", "cursor"),
        (f"cursor={'WyI8Iiw' * 30}", "cursor"),
        (f"cursor={'x' * 301}", "cursor"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_name(
    acme: TenantIdentity, api: ApiOf, query: str, field: str
) -> None:
    response = api(acme, "admin").get(f"audit/entries/?{query}")
    assert response.status_code == 400
    assert list(response.json()["details"]) == [field]


def test_pages_lead_there_and_back_also_within_one_moment(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiOf, entity: str
) -> None:
    admin = api(acme, "admin")
    everything = [
        entry["id"]
        for entry in _own(admin.get("audit/entries/", entity_type=entity))["results"]
    ]  # fmt: skip
    assert len(everything) == 11
    for size in (1, 2, 3, 4, 10, 11):
        there, back = _walk(admin, f"/api/v1/audit/entries/?entity_type={entity}&page_size={size}")
        assert (there, back) == (everything, everything), size


def test_a_history_is_paged_and_a_state_is_that_of_its_moment(
    acme: TenantIdentity, api: ApiOf
) -> None:
    entity, admin = f"shop.{uuid4().hex}", api(acme, "admin")
    changes = [
        Change(at=NOON + n * MICROSECOND, entity=entity, new_values=f'{{"n": {n}}}', record_id="x")
        for n in range(25)
    ]
    append(acme.id, changes)
    address = f"/api/v1/audit/records/{entity}/x/"

    there, back = _walk(admin, f"{address}?page_size=10", "history")
    assert there == back == [str(change.uid) for change in reversed(changes)]

    def state(at: datetime) -> Any:
        return _own(admin.get(address, at=at.isoformat()))

    assert _own(admin.get(address))["values"] == {"n": 24}
    assert state(NOON + 12 * MICROSECOND)["values"] == {"n": 12}, "what was changed then counts"
    assert len(state(NOON + 9 * MICROSECOND)["history"]) == 10
    before = state(NOON - MICROSECOND)
    assert (before["exists"], before["values"], before["history"]) == (False, None, [])
    assert admin.get(address, at="yesterday").status_code == 400
    assert admin.get(address, colour="red").status_code == 400
    assert admin.get(f"{address[:-2]}y/").status_code == 404


def test_the_present_state_is_that_of_the_last_change_although_the_clock_was_set_back(
    acme: TenantIdentity, api: ApiOf
) -> None:
    entity = f"shop.{uuid4().hex}"
    append(acme.id, [Change(at=NOON, entity=entity, new_values='{"n": 1}')])
    append(acme.id, [Change(at=NOON - timedelta(hours=1), entity=entity, new_values='{"n": 2}')])
    record = _own(api(acme, "admin").get(f"audit/records/{entity}/1/"))
    assert record["values"] == {"n": 2}
    assert [entry["new_values"]["n"] for entry in record["history"]] == [2, 1]


@pytest.mark.parametrize(
    "record_id",
    ["a/b/c", "a//b/", "/", "naïve 💥 %41", "{'a': 1}|[2]", "x?y#z&w=1", " lead", "k" * 2000],
)  # fmt: skip
def test_any_record_id_has_an_address_and_is_found(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiOf, record_id: str
) -> None:
    entity, admin = f"shop.{uuid4().hex}", api(acme, "admin")
    append(acme.id, [Change(at=NOON, entity=entity, record_id=record_id)])
    address = f"/api/v1/audit/records/{entity}/{quote(record_id, safe='/')}/"
    found = _own(admin.get(address))
    assert (found["record_id"], found["values"]) == (record_id, {"price": "1.50"})
    assert _count(admin, entity_type=entity, record_id=record_id) == 1
    assert api(globex, "admin").get(address).status_code == 404


@pytest.mark.parametrize("path", ["%00", "a%00b", "%ED%A0%80", "%ff"])
def test_no_record_has_an_id_that_cannot_be_stored(
    acme: TenantIdentity, api: ApiOf, path: str
) -> None:
    assert api(acme, "admin").get(f"/api/v1/audit/records/shop.article/{path}/").status_code == 404


def test_an_author_is_asked_for_by_id_or_address(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: ApiOf
) -> None:
    admin, entity = api(acme, "admin"), f"shop.{uuid4().hex}"
    me = admin.tokens["user"]["id"]
    append(acme.id, [Change(at=NOON, entity=entity, by=me)])
    for author in (me, me.upper(), "admin@acme.example", " Admin@ACME.example"):
        (entry,) = _own(admin.get("audit/entries/", entity_type=entity, modified_by=author))[
            "results"
        ]
        assert entry["modified_by_email"] == "admin@acme.example"
    for nobody in ("admin@globex.example", "nobody@nowhere.example", "%", str(uuid4())):
        assert _count(admin, entity_type=entity, modified_by=nobody) == 0


def test_an_auditor_asks_the_granted_tenants_the_same_questions(
    acme: TenantIdentity, globex: TenantIdentity, entity: str
) -> None:
    person = make_auditor(acme)
    auditor = Api(None)
    auditor.sign_in(person.email, person.password)
    found = _own(auditor.get("portfolio/audit/", entity_type=entity))["results"]
    assert [entry["tenant"] for entry in found] == ["acme"] * 11
    there, back = _walk(auditor, f"/api/v1/portfolio/audit/?entity_type={entity}&page_size=2")
    assert there == back == [entry["id"] for entry in found]
    assert len(_own(auditor.get("portfolio/audit/", modified_by="system:even", **{"from": NOON.isoformat()}))["results"]) >= 6  # fmt: skip
    assert _own(auditor.get(f"portfolio/audit/{found[0]['id']}/")) == found[0]

    record = _own(auditor.get(f"portfolio/audit/records/acme/{entity}/1/", at=NOON.isoformat()))
    assert (record["values"], len(record["history"])) == ({"n": 1}, 1)


def test_an_auditor_is_not_told_of_a_tenant_outside_the_scope(
    acme: TenantIdentity, globex: TenantIdentity, entity: str
) -> None:
    person = make_auditor(globex)
    auditor = Api(None)
    auditor.sign_in(person.email, person.password)
    insider = make_auditor(acme)
    other = Api(None)
    other.sign_in(insider.email, insider.password)
    (entry, *_) = _own(other.get("portfolio/audit/", entity_type=entity))["results"]

    known = auditor.get(f"portfolio/audit/{entry['id']}/")
    unknown = auditor.get(f"portfolio/audit/{uuid4()}/")
    assert known.status_code == unknown.status_code == 404
    assert known.json()["code"] == unknown.json()["code"]
    for tenant in ("acme", "nobody", "installation"):
        refused = auditor.get(f"portfolio/audit/records/{tenant}/{entity}/0/")
        assert (refused.status_code, refused.json()["code"]) == (404, "audit.record_not_found")
    assert len(_own(auditor.get("portfolio/audit/", entity_type=entity))["results"]) == 1
