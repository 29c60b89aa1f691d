"""Archives of tenants whose people a directory proves: who they are, and who is shut out, comes back."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from people_file import Account

from shared_apps.accounts import disabling
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import RoleOrigin
from shared_apps.accounts.models import Identity, User, UserTenantRole
from shared_apps.authn import configuring
from shared_apps.authn.configuring import Wanted
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import services
from shared_apps.tenants import selectors
from tests.archives import members, plain, rewrite, vouched
from tests.client import Api
from tests.directories.people_files import SECRET, TenantDirectory, directory_of
from tests.integration.shared_apps.onboarding.console import Console, tenant
from tests.people import add_role, make_person

OPTIONS = {"default_role": "viewer", "link_members": True}
PASSPHRASE = "long enough a passphrase"


@pytest.fixture
def directory(console: Console, made: None, tmp_path: Path) -> TenantDirectory:
    """That of a third tenant."""
    console.declare(tenant("initech"))
    assert console.apply().code == 0
    found = directory_of(selectors.get_tenant(slug="initech").identity, tmp_path)
    found.configure(**OPTIONS)
    return found


def sign_in(slug: str, account: Account) -> tuple[int, str]:
    answer = Api(selectors.get_tenant(slug=slug).identity).post(
        "auth/login/", {"username": account.username, "password": account.password}
    )
    told = answer.json()
    return answer.status_code, told.get("code") or told["user"]["id"]


def standing(slug: str, external_id: str) -> tuple[Any, ...]:
    """Of whom the directory means by this: role, origin, whether let in, whether its own, id."""
    with context.operator():
        found = Identity.objects.get(
            realm=configuring.find_realm(tenant_id=selectors.get_tenant(slug=slug).id),
            external_id=external_id,
        )
        member = UserTenantRole.objects.get(tenant__slug=slug, user=found.user_id)
        is_its_own = found.user.realm == found.realm
        assert not found.user.has_usable_password()
        return member.role, member.origin, member.is_active, is_its_own, found.user_id


def archive(path: Path, passphrase: str = "") -> Path:
    with context.operator(), attribution.acting(attribution.command("test")):
        services.export_tenant(
            slug="initech", path=path, at=datetime.now(UTC), passphrase=passphrase
        )
    return path


def restore(console: Console, path: Path) -> Any:
    return console.run(
        "restore", str(path), "--as", "initech2", "--domain", "initech2.localhost", "--json"
    )


def give_secrets(directory: TenantDirectory) -> None:
    """As `tenant auth set` does; no archive holds them."""
    options = {"path": str(directory.file.path), **OPTIONS}
    wanted = Wanted(kind="people_file", options=options, secrets={"file_key": SECRET})
    restored = selectors.get_tenant(slug="initech2")
    assert configuring.configure(tenant_id=restored.id, wanted=wanted, at=datetime.now(UTC))


def everybody_else() -> list[Any]:
    """People and roles of the tenants that there were before."""
    with context.operator():
        roles = UserTenantRole.objects.exclude(tenant__slug="initech2").order_by("id")
        return [
            *roles.values(),
            *User.objects.filter(tenant_roles__in=roles).order_by("id").values(),
        ]


def test_people_come_back_with_their_roles_and_whoever_is_shut_out_stays_so(
    console: Console, directory: TenantDirectory, acme: TenantIdentity, tmp_path: Path
) -> None:
    initech = directory.tenant
    alice, bob, mallory = (directory.account(name) for name in ("alice", "bob", "mallory"))
    ids = {name.username: sign_in("initech", name)[1] for name in (alice, bob, mallory)}
    change = {"tenant_id": initech.id, "by": None}
    accounts.change_role(user_id=UUID(ids["bob"]), role="editor", **change)
    disabling.disable_member(user_id=UUID(ids["mallory"]), **change)
    assert sign_in("initech", mallory) == (403, "account_restricted")
    path = archive(tmp_path / "initech.tar.gz")
    before = everybody_else()

    restored = restore(console, path)

    assert restored.code == 0, restored.err
    assert everybody_else() == before
    give_secrets(directory)
    found = {name.username: standing("initech2", name.id) for name in (alice, bob, mallory)}
    assert {name: told[:4] for name, told in found.items()} == {
        "alice": ("viewer", RoleOrigin.DIRECTORY, True, True),
        "bob": ("editor", RoleOrigin.GRANTED, True, True),
        "mallory": ("viewer", RoleOrigin.DIRECTORY, False, True),
    }
    # The tenant of the archive is still there: its people are others.
    assert not {str(told[4]) for told in found.values()} & set(ids.values())
    assert sign_in("initech2", alice) == (200, str(found["alice"][4]))
    assert sign_in("initech2", bob) == (200, str(found["bob"][4]))
    assert sign_in("initech2", mallory) == (403, "account_restricted")
    assert sign_in("initech", alice) == (200, ids["alice"])
    assert sign_in("acme", alice) == (401, "invalid_credentials")


def test_the_same_ids_where_they_are_free(
    console: Console, directory: TenantDirectory, tmp_path: Path
) -> None:
    alice = directory.account("alice")
    _, former = sign_in("initech", alice)
    path = archive(tmp_path / "initech.tar.gz")
    with context.operator():
        User.objects.get(id=former).delete()

    assert restore(console, path).code == 0

    give_secrets(directory)
    assert sign_in("initech2", alice) == (200, former)


@pytest.mark.parametrize("belongs_elsewhere", [False, True])
def test_who_was_bound_is_bound_again_where_a_sign_in_could_do_that(
    console: Console, directory: TenantDirectory, acme: TenantIdentity, tmp_path: Path,
    belongs_elsewhere: bool,
) -> None:  # fmt: skip
    """An account that is something elsewhere is not handed to a directory by an archive; who was shut
    out stays so in either case."""
    ida, otto = make_person(directory.tenant, "editor"), make_person(directory.tenant, "editor")
    known = {
        person.id: directory.account(person.email, email=person.email) for person in (ida, otto)
    }
    for person in (ida, otto):
        assert sign_in("initech", known[person.id]) == (200, str(person.id))
    disabling.disable_member(tenant_id=directory.tenant.id, user_id=otto.id, by=None)
    path = archive(tmp_path / "initech.tar.gz")
    # While the tenant of the archive is there they are somebody elsewhere.
    accounts.revoke_role(tenant_id=directory.tenant.id, user_id=ida.id, by=None)
    accounts.revoke_role(tenant_id=directory.tenant.id, user_id=otto.id, by=None)
    if belongs_elsewhere:
        add_role(ida, acme, "viewer")
        add_role(otto, acme, "viewer")
    before = everybody_else()

    assert restore(console, path).code == 0

    assert everybody_else() == before
    give_secrets(directory)
    status, who = sign_in("initech2", known[ida.id])
    assert (status, who == str(ida.id)) == (200, not belongs_elsewhere)
    assert sign_in("initech2", known[otto.id]) == (403, "account_restricted")


def test_39_no_archive_holds_a_directorys_secret(
    directory: TenantDirectory, tmp_path: Path
) -> None:
    directory.account("alice")
    for number, passphrase in enumerate(("", PASSPHRASE)):
        contents = members(archive(tmp_path / f"{number}.tar.gz", passphrase))
        text = b"\n".join(contents.values())
        assert SECRET.encode() not in text
        assert PASSPHRASE.encode() not in text
        assert (b'"secrets": ""' in contents["manifest.json"]) == (not passphrase)


def test_33_a_forged_archive_gains_a_directory_nobody_elses_account(
    console: Console, directory: TenantDirectory, acme: TenantIdentity, tmp_path: Path
) -> None:
    """It says that a directory's account is an administrator of another tenant, by address and by id."""
    victim = make_person(acme, "admin")
    mallory = directory.account("mallory", email=victim.email)
    sign_in("initech", mallory)
    path = archive(tmp_path / "initech.tar.gz")
    contents = members(path)
    lines = [json.loads(line) for line in contents["people.jsonl"].splitlines()]
    for line in lines:
        if line["account"]:
            line |= {"id": str(victim.id), "email": victim.email, "origin": "granted"}
            line["account"]["is_all"] = False
    contents["people.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    rewrite(path, plain(vouched(contents)))
    before = everybody_else()

    assert restore(console, path).code == 0

    assert everybody_else() == before
    give_secrets(directory)
    status, who = sign_in("initech2", mallory)
    assert (status, who == str(victim.id)) == (200, False)
    with context.operator():
        assert not Identity.objects.filter(user=victim.id).exists()


@pytest.mark.parametrize(
    "change",
    [
        {"account": {"external_id": "", "username": "a", "is_all": True}},
        {"account": {"external_id": "x" * 201, "username": "a", "is_all": True}},
        {"account": {"external_id": "x", "username": "a"}},
        {"account": "x"},
        {"account": None, "origin": "directory"},
        {"origin": "operator"},
        {"account": {"external_id": "x", "username": "a", "is_all": False}, "email": ""},
    ],
    ids=str,
)
def test_what_cannot_be_changes_nothing(
    console: Console, directory: TenantDirectory, tmp_path: Path, change: dict[str, Any]
) -> None:
    sign_in("initech", directory.account("alice"))
    path = archive(tmp_path / "initech.tar.gz")
    contents = members(path)
    lines = [json.loads(line) for line in contents["people.jsonl"].splitlines()]
    lines[-1] |= change
    contents["people.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    rewrite(path, plain(vouched(contents)))

    ended = restore(console, path)

    assert (ended.code, "people cannot be read" in ended.err) == (1, True)
    assert not selectors.is_registered(slug="initech2")
