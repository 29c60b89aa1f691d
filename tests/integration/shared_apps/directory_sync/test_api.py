"""Previews over the API, with OpenLDAP as the directory: who may do what, and what is answered."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared_apps.accounts.models import Identity, User
from shared_apps.authn import configuring
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.directory_sync import listing
from shared_apps.directory_sync.models import SyncPreview
from tests.client import Api
from tests.directories.slapd import Slapd

ApiFactory = Callable[..., Api]
AT = "directory-sync/previews/"


def use(tenant: TenantIdentity, server: Slapd) -> None:
    """Have a tenant's people sign in by it, but for those who always sign in by passwords of ours."""
    wanted = configuring.Wanted(
        kind="openldap",
        options=server.options(default_role="viewer"),
        secrets={"bind_password": server.bind_password},
        break_glass=tuple(
            f"{role}@{tenant.slug}.example" for role in ("admin", "editor", "viewer")
        ),
    )
    configuring.configure(tenant_id=tenant.id, wanted=wanted, at=datetime.now(UTC))


def listed(client: Api) -> dict[str, Any]:
    """A preview, read as the worker does it."""
    asked = client.post(AT)
    assert (asked.status_code, asked.json()["state"]) == (202, "LISTING")
    with context.operator():
        listing.carry_out(preview_id=UUID(asked.json()["id"]), at=datetime.now(UTC))
    found: dict[str, Any] = client.get(f"{AT}{asked.json()['id']}/").json()
    return found


def answer(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def count_people() -> tuple[int, int]:
    with context.operator():
        return User.objects.count(), Identity.objects.count()


def test_a_directory_is_taken_over_after_its_preview(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, slapd: Slapd
) -> None:
    use(acme, slapd)
    admin, stranger = api(acme, "admin"), api(globex, "admin")
    before = count_people()

    preview = listed(admin)

    one = f"{AT}{preview['id']}/"
    items = admin.get(f"{one}items/", kind="NEW").json()
    assert preview["state"] == "PENDING"
    assert items["count"] == preview["new_count"] == preview["diff_data"]["new"] > 5
    assert count_people() == before
    alice = next(item for item in items["results"] if item["label"].startswith("alice"))
    left_out = admin.patch(f"{one}items/{alice['id']}/", {"selected": False})
    assert (left_out.status_code, left_out.json()["selected"]) == (200, False)
    plan = {"fingerprint": preview["fingerprint"]}
    assert answer(admin.post(f"{one}approve/", plan)) == (409, "directory_sync.other_plan")
    plan = {"fingerprint": admin.get(one).json()["fingerprint"]}
    for refused in (
        stranger.get(one), stranger.get(f"{one}items/"), stranger.post(f"{one}approve/", plan),
        stranger.post(f"{one}apply/", plan), stranger.post(f"{one}undo/"),
        stranger.patch(f"{one}items/{alice['id']}/", {"selected": True}),
    ):  # fmt: skip
        assert answer(refused) == (404, "directory_sync.preview_not_found")
    assert stranger.get(AT).json()["results"] == []
    assert answer(admin.post(f"{one}apply/", plan)) == (409, "directory_sync.state")
    assert admin.post(f"{one}approve/", plan).json()["state"] == "APPROVED"
    applied = admin.post(f"{one}apply/", plan)
    assert applied.json()["result"] == {"applied": preview["new_count"] - 1}
    made = preview["new_count"] - 1
    assert count_people() == (before[0] + made, before[1] + made)
    with context.operator():
        assert not Identity.objects.filter(external_id=alice["external_id"]).exists()
    assert listed(admin)["new_count"] == 1
    assert admin.post(f"{one}undo/").json()["undone_at"] is not None


def test_whoever_does_not_administer_sees_and_decides_nothing(
    acme: TenantIdentity, api: ApiFactory, slapd: Slapd
) -> None:
    use(acme, slapd)
    admin, others = api(acme, "admin"), [api(acme, "editor"), api(acme, "viewer")]
    preview = listed(admin)
    plan = {"fingerprint": preview["fingerprint"]}
    one = f"{AT}{preview['id']}/"

    for client in others:
        for refused in (
            client.get(AT), client.post(AT), client.get(one), client.get(f"{one}items/"),
            client.post(f"{one}approve/", plan), client.post(f"{one}reject/"),
            client.post(f"{one}apply/", plan), client.post(f"{one}undo/"),
        ):  # fmt: skip
            assert refused.status_code == 403

    with context.operator():
        assert list(SyncPreview.objects.values_list("state", flat=True)) == ["PENDING"]


def test_a_directory_that_is_away_makes_no_preview(
    acme: TenantIdentity, api: ApiFactory, slapd: Slapd
) -> None:
    use(acme, slapd)
    admin = api(acme, "admin")

    with slapd.away():
        preview = listed(admin)

    assert (preview["state"], preview["new_count"], preview["fingerprint"]) == ("FAILED", 0, "")
    assert admin.get(f"{AT}{preview['id']}/items/").json()["results"] == []


def test_a_tenant_without_a_directory_is_told_so(acme: TenantIdentity, api: ApiFactory) -> None:
    assert answer(api(acme, "admin").post(AT)) == (409, "directory_sync.no_directory")
