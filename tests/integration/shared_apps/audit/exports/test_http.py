"""`GET /api/v1/audit/export/`: a tenant's administrators fetch their own trail, whole or to a clear end."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared_apps.audit.exports import checking, entries, writing
from shared_apps.audit.exports.rendering import FORMATS
from shared_apps.audit.exports.views import LIMIT, reading_page
from shared_apps.audit.selectors import EntryFilter
from shared_apps.core.context import TenantIdentity
from tests.chains import two_chains
from tests.client import Api
from tests.installation import Installation


@pytest.mark.parametrize("kind", ["jsonl", "csv", "ocsf"])
def test_an_administrator_fetches_the_own_trail_only(
    acme: TenantIdentity,
    globex: TenantIdentity,
    api: Callable[..., Api],
    tmp_path: Path,
    kind: str,
) -> None:
    for tenant in (acme, globex):
        response = api(tenant, "admin").get("audit/export/", format=kind)

        assert response.status_code == 200
        assert f'filename="audit-{tenant.slug}-' in response["Content-Disposition"]
        path = tmp_path / f"{tenant.slug}.{kind}"
        path.write_bytes(b"".join(response.streaming_content))
        outcome = checking.check(path)
        assert outcome.problems == []
        assert list(outcome.chains) == [str(tenant.id)]
        assert outcome.chains[str(tenant.id)].is_whole
        assert outcome.manifest is not None
        assert outcome.manifest["complete"] is True


def test_filters_of_the_list_of_entries(
    system: Installation, acme: TenantIdentity, api: Callable[..., Api]
) -> None:
    admin = api(acme, "admin")
    viewer = next(
        person
        for person in admin.get("users/").json()["results"]
        if person["email"].startswith("viewer@")
    )
    changed = [
        admin.patch(f"users/{viewer['id']}/role/", {"role": role}) for role in ("editor", "viewer")
    ]
    assert [response.status_code for response in changed] == [200, 200]
    system.relay()

    response = admin.get(
        "audit/export/", request_id=changed[0]["X-Request-ID"], modified_by="admin@acme.example"
    )

    entry, end = _lines(response)
    assert json.loads(entry["diff"]) == {"role": {"old": "viewer", "new": "editor"}}
    assert end["manifest"]["entries"] == 1
    response = admin.get("audit/export/", modified_by="admin@globex.example")
    assert [set(line) for line in _lines(response)] == [{"manifest"}]


@pytest.mark.parametrize(
    "query", [{"format": "xml"}, {"colour": "red"}, {"from": "yesterday"}, {"page_size": 3}]
)
def test_a_wrong_question_is_refused(
    acme: TenantIdentity, api: Callable[..., Api], query: dict[str, Any]
) -> None:
    response = api(acme, "admin").get("audit/export/", **query)

    assert response.status_code == 400
    assert list(response.json()["details"]) == list(query)


@pytest.mark.parametrize(("role", "status"), [("editor", 403), ("viewer", 403), (None, 401)])
def test_nobody_else_may(
    acme: TenantIdentity, api: Callable[..., Api], role: str | None, status: int
) -> None:
    assert api(acme, role).get("audit/export/").status_code == status


@pytest.mark.parametrize(
    ("limit", "page_size", "counts"),
    [
        (writing.Limit(entries=4, seconds=60), 3, [4, 4, 2]),
        (writing.Limit(entries=5, seconds=60), 1000, [5, 5]),
        (writing.Limit(entries=1000, seconds=0), 7, [7, 3]),
        (writing.Limit(entries=10, seconds=60), 10, [10]),
    ],
)
def test_a_limit_ends_it_clearly_and_the_rest_follows(
    system: Installation,
    tmp_path: Path,
    limit: writing.Limit,
    page_size: int,
    counts: list[int],
) -> None:
    with two_chains() as (one, _):
        found: list[int] = []
        after, is_complete = 0, False
        while not is_complete:
            export = _limited(one, limit=limit, page_size=page_size, after=after)
            path = tmp_path / f"{after}.jsonl"
            path.write_bytes(b"".join(export))
            assert checking.check(path).problems == []
            (stretch,) = export.manifest["chains"]
            found.append(stretch["entries"])
            after, is_complete = stretch["last_sequence"], export.manifest["complete"]

    assert found == counts
    assert after == 10


def test_between_two_pages_no_connection_is_held(system: Installation) -> None:
    """More slow readers at once than the pool has connections."""
    with two_chains() as (one, _):
        readers = [iter(_limited(one, limit=LIMIT, page_size=4, after=0)) for _ in range(12)]

        begun = [next(reader) for reader in readers]
        rest = [b"".join(reader) for reader in readers]

    assert {part.count(b"\n") for part in begun} == {4}
    assert {part.count(b"\n") for part in rest} == {7}


def _limited(tenant: Any, *, limit: writing.Limit, page_size: int, after: int) -> writing.Export:
    return writing.Export(
        format=FORMATS["jsonl"],
        reading=reading_page,
        chains=[entries.ChainRead(tenant, EntryFilter(), after, 10)],
        exported_at=datetime.now(UTC),
        limit=limit,
        page_size=page_size,
    )


def _lines(response: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
