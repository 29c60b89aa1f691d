"""What a hostile directory of one tenant tries to gain elsewhere, and what happens without one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from people_file import Account

from shared_apps.accounts import identities
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.accounts.models import CrossTenantGrant, Identity, User, UserTenantRole
from shared_apps.authn.choices import SessionEnd
from shared_apps.authn.models import AuthConfiguration, RefreshToken, Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.concurrency import at_once
from tests.directories.people_files import SECRET, TenantDirectory, directory_of
from tests.installation import PASSWORD, Installation
from tests.people import add_role, make_auditor, make_person

ApiFactory = Callable[..., Api]


@pytest.fixture
def acme_directory(acme: TenantIdentity, tmp_path: Path) -> TenantDirectory:
    return directory_of(acme, tmp_path)


@pytest.fixture
def globex_directory(globex: TenantIdentity, tmp_path: Path) -> TenantDirectory:
    return directory_of(globex, tmp_path)


def sign_in(client: Api, account: Account) -> Any:
    return client.post("auth/login/", {"username": account.username, "password": account.password})


def answer(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def user_id(response: Any) -> UUID:
    assert response.status_code == 200, response.content
    return UUID(response.json()["user"]["id"])


def everything_of(person: UUID) -> list[Any]:
    """What hangs on somebody, to be compared."""
    with context.operator():
        return [
            list(User.objects.filter(id=person).values()),
            list(UserTenantRole.objects.filter(user=person).order_by("id").values()),
            list(CrossTenantGrant.objects.filter(user=person).order_by("id").values()),
            list(
                Identity.objects.filter(user=person).order_by("id").values("realm", "external_id")
            ),
            list(Session.objects.filter(user=person).values("id")),
        ]


def person_of(email: str) -> UUID:
    with context.operator():
        return User.objects.get(email=email, realm=None).id


def count_sessions() -> tuple[int, int]:
    with context.operator():
        return Session.objects.count(), RefreshToken.objects.count()


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize(
    "victim", ["of another tenant", "of both", "operator", "auditor", "managed", "invited auditor"]
)
def test_33_a_directory_claims_the_address_of_somebody_else(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory,
    globex_directory: TenantDirectory, victim: str, links: bool,
) -> None:  # fmt: skip
    match victim:
        case "of another tenant":
            email = make_person(acme, "admin").email
        case "of both":
            person = make_person(acme, "admin")
            add_role(person, globex, "admin")
            email = person.email
        case "operator":
            email = "operator@example.com"
        case "auditor":
            email = make_auditor(acme, globex).email
        case "managed":
            user = accounts.create_managed_person(
                email="managed@example.com", name="", password=PASSWORD, at=datetime.now(UTC)
            )
            email = user.email
        case "invited auditor":
            auditor = make_auditor(acme)
            add_role(auditor, globex, "viewer")
            email = auditor.email
    target = person_of(email)
    before = everything_of(target)
    globex_directory.configure(link_members=links, default_role="viewer")
    claims = [
        globex_directory.account("mallory", email=email.upper(), name="The Victim"),
        globex_directory.account(email, email=email),
        globex_directory.account(f" {email}", email=""),
    ]

    gained = [user_id(sign_in(api(globex), account)) for account in claims]
    elsewhere = [answer(sign_in(api(tenant), claims[0])) for tenant in (acme, None)]

    assert target not in gained
    assert len(set(gained)) == 3
    assert everything_of(target) == before
    assert elsewhere == [(401, "invalid_credentials")] * 2
    with context.operator():
        for mallory in User.objects.filter(id__in=gained):
            assert (mallory.is_operator, mallory.is_managed_by_operator) == (False, False)
            assert mallory.realm is not None
            roles = UserTenantRole.objects.filter(user=mallory).values_list("tenant_id", "role")
            assert list(roles) == [(globex.id, "viewer")]


def test_33_a_token_of_the_claimant_opens_nothing_else(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory,
    globex_directory: TenantDirectory,
) -> None:  # fmt: skip
    globex_directory.configure(role_groups={"admin": ["cn=admins,dc=globex"]})
    mallory = globex_directory.account(
        "mallory", email="admin@acme.example", groups=("CN=Admins, DC=Globex",)
    )
    tokens = sign_in(api(globex), mallory).json()

    for tenant in (acme, None):
        client = api(tenant)
        client.headers = {"authorization": f"Bearer {tokens['access']}"}
        assert client.get("auth/user/").status_code == 401
        assert client.post("auth/refresh/", {"refresh": tokens["refresh"]}).status_code == 401
    client = api(globex)
    client.headers = {"authorization": f"Bearer {tokens['access']}"}
    assert client.get("auth/user/").json()["roles"] == ["admin"]


def test_33_the_same_id_in_two_directories_is_two_people(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory,
    acme_directory: TenantDirectory, globex_directory: TenantDirectory,
) -> None:  # fmt: skip
    stolen = str(uuid4())
    for directory in (acme_directory, globex_directory):
        # The same name for what makes ids unique: a realm is a tenant's all the same.
        directory.configure(realm="dc=example", default_role="viewer")
    alice = acme_directory.account("alice", id=stolen, email="alice@acme.example")
    mallory = globex_directory.account("alice", id=stolen, email="alice@acme.example", password="x")

    hers = user_id(sign_in(api(acme), alice))
    before = everything_of(hers)
    his = user_id(sign_in(api(globex), mallory))

    assert hers != his
    assert everything_of(hers) == before
    with context.operator():
        realms = Identity.objects.filter(external_id=stolen).values_list("realm", flat=True)
        assert len(set(realms)) == 2


def test_33_what_it_claims_names_nobody_elsewhere(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, system: Installation,
    globex_directory: TenantDirectory,
) -> None:  # fmt: skip
    """An address that a directory claimed is still free, and leads to whoever has it really."""
    globex_directory.configure(default_role="editor")
    mallory = globex_directory.account("mallory", email="new@acme.example", name="Mallory")
    his = user_id(sign_in(api(globex), mallory))
    admin = api(acme, "admin")

    invited = admin.post(
        "users/", {"email": "new@acme.example", "role": "viewer", "password": PASSWORD}
    )

    assert invited.status_code == 201, invited.content
    assert UUID(invited.json()["id"]) != his
    newcomer = api(acme)
    newcomer.sign_in("new@acme.example", PASSWORD)
    assert UUID(newcomer.tokens["user"]["id"]) == UUID(invited.json()["id"])
    assert [row["email"] for row in admin.get("users/").json()["results"]].count(
        "new@acme.example"
    ) == 1


def test_33_who_was_invited_is_bound_once(
    globex: TenantIdentity, api: ApiFactory, globex_directory: TenantDirectory
) -> None:
    invited = make_person(globex, "admin")
    globex_directory.configure(link_members=True, default_role="viewer")
    first = globex_directory.account("ida", email=invited.email)
    second = globex_directory.account("not.ida", email=invited.email)

    bound = user_id(sign_in(api(globex), first))
    other = user_id(sign_in(api(globex), second))
    renamed = globex_directory.account("ida.new", id=first.id, email="elsewhere@globex.example")

    assert bound == invited.id
    assert other != invited.id
    assert user_id(sign_in(api(globex), renamed)) == invited.id
    with context.operator():
        # Their own name and address are not the directory's to change.
        assert User.objects.get(id=invited.id).email == invited.email
        roles = dict(UserTenantRole.objects.filter(tenant=globex.id).values_list("user_id", "role"))
    assert (roles[invited.id], roles[other]) == ("admin", "viewer")


def test_34_an_account_made_anew_under_the_same_name_is_somebody_else(
    globex: TenantIdentity, api: ApiFactory, globex_directory: TenantDirectory
) -> None:
    globex_directory.configure(default_role="viewer", role_groups={"admin": ["admins"]})
    alice = globex_directory.account("alice", email="alice@globex.example", groups=("admins",))
    former = user_id(sign_in(api(globex), alice))
    accounts.change_role(tenant_id=globex.id, user_id=former, role=Role.EDITOR, by=None)
    globex_directory.file.remove(alice)

    again = globex_directory.account("alice", email="alice@globex.example")
    response = sign_in(api(globex), again)

    assert again.id != alice.id
    assert user_id(response) != former
    assert response.json()["user"]["roles"] == ["viewer"]


def test_34_an_account_that_is_renamed_stays_who_it_is(
    globex: TenantIdentity, api: ApiFactory, globex_directory: TenantDirectory
) -> None:
    globex_directory.configure(default_role="viewer")
    alice = globex_directory.account("alice", email="alice@globex.example", name="Alice A.")
    former = user_id(sign_in(api(globex), alice))

    renamed = globex_directory.account(
        "alice.b", id=alice.id, email="alice.b@globex.example", name="Alice B."
    )

    response = sign_in(api(globex), renamed)
    assert user_id(response) == former
    assert response.json()["user"]["email"] == "alice.b@globex.example"
    assert answer(sign_in(api(globex), alice)) == (401, "invalid_credentials")


def test_35_nobody_but_break_glass_gets_in_while_the_directory_is_down(
    globex: TenantIdentity, api: ApiFactory, globex_directory: TenantDirectory
) -> None:
    """Neither with a password that we keep nor with one that the directory took a moment ago."""
    globex_directory.configure(default_role="viewer", break_glass=("admin@globex.example",))
    alice = globex_directory.account("alice")
    editor = Account(id="", username="editor@globex.example", password=PASSWORD)
    rescuer = Account(id="", username="Admin@Globex.example", password=PASSWORD)
    assert sign_in(api(globex), alice).status_code == 200
    assert answer(sign_in(api(globex), editor)) == (401, "invalid_credentials")
    before = count_sessions()
    globex_directory.stop()

    refused = [sign_in(api(globex), account) for account in (alice, editor)]
    rescued = sign_in(api(globex), rescuer)

    assert [answer(response) for response in refused] == [(503, "auth_backend_unavailable")] * 2
    assert {response["Retry-After"] for response in refused} == {"15"}
    assert refused[0].json()["detail"] == "Nobody can be signed in at the moment."
    assert rescued.status_code == 200
    assert count_sessions() == (before[0] + 1, before[1] + 1)
    with context.operator():
        opened = Session.objects.get(user__email="admin@globex.example")
        assert (opened.backend, opened.directory_checked_at) == ("break_glass", None)
    globex_directory.start()
    assert sign_in(api(globex), alice).status_code == 200


def test_35_a_directory_that_names_somebody_like_break_glass_is_not_asked(
    globex: TenantIdentity, api: ApiFactory, globex_directory: TenantDirectory
) -> None:
    globex_directory.configure(default_role="viewer", break_glass=("admin@globex.example",))
    impostor = globex_directory.account("admin@globex.example")

    assert answer(sign_in(api(globex), impostor)) == (401, "invalid_credentials")
    assert count_sessions() == (0, 0)


@pytest.mark.parametrize("fate", ["disabled", "removed"])
def test_36_who_is_gone_from_the_directory_is_refused_at_the_next_recheck(
    globex: TenantIdentity, api: ApiFactory, globex_directory: TenantDirectory, fate: str
) -> None:
    globex_directory.configure(default_role="viewer")
    alice = globex_directory.account("alice")
    client = api(globex)
    tokens = sign_in(client, alice).json()
    other = sign_in(api(globex), alice).json()
    if fate == "disabled":
        globex_directory.account("alice", id=alice.id, state="disabled")
    else:
        globex_directory.file.remove(alice)
    early = client.post("auth/refresh/", {"refresh": tokens["refresh"]})
    _let_pass(settings.DIRECTORY_RECHECK_INTERVAL)

    late = client.post("auth/refresh/", {"refresh": early.json()["refresh"]})

    assert early.status_code == 200
    assert answer(late) == (401, "token_not_valid")
    client.headers = {"authorization": f"Bearer {other['access']}"}
    assert client.get("auth/user/").status_code == 401
    with context.operator():
        ends = list(Session.objects.values_list("revoked_reason", flat=True))
    assert ends == [SessionEnd.GONE_FROM_DIRECTORY] * 2


def test_36_who_has_lost_every_group_loses_the_role_and_the_session(
    globex: TenantIdentity, api: ApiFactory, globex_directory: TenantDirectory
) -> None:
    globex_directory.configure(role_groups={"editor": ["writers"], "viewer": ["readers"]})
    alice = globex_directory.account("alice", groups=("writers", "readers"))
    client = api(globex)
    tokens = sign_in(client, alice).json()
    client.headers = {"authorization": f"Bearer {tokens['access']}"}
    globex_directory.account("alice", id=alice.id, groups=("readers",))
    _let_pass(settings.DIRECTORY_RECHECK_INTERVAL)
    tokens = client.post("auth/refresh/", {"refresh": tokens["refresh"]}).json()
    lowered = client.get("auth/user/").json()["roles"]
    globex_directory.account("alice", id=alice.id)
    _let_pass(settings.DIRECTORY_RECHECK_INTERVAL)

    refused = client.post("auth/refresh/", {"refresh": tokens["refresh"]})

    assert lowered == ["viewer"]
    assert answer(refused) == (403, "no_membership")
    assert client.get("auth/user/").status_code == 403
    assert answer(sign_in(api(globex), alice)) == (403, "no_membership")


def test_36_a_directory_that_cannot_be_asked_is_waited_for_and_no_longer(
    globex: TenantIdentity, api: ApiFactory, globex_directory: TenantDirectory
) -> None:
    globex_directory.configure(default_role="viewer")
    client = api(globex)
    tokens = sign_in(client, globex_directory.account("alice")).json()
    globex_directory.stop()
    _let_pass(settings.DIRECTORY_RECHECK_INTERVAL)
    within = client.post("auth/refresh/", {"refresh": tokens["refresh"]})
    _let_pass(settings.DIRECTORY_RECHECK_GRACE)

    beyond = client.post("auth/refresh/", {"refresh": within.json()["refresh"]})

    assert within.status_code == 200
    assert answer(beyond) == (503, "auth_backend_unavailable")
    globex_directory.start()
    # The token was not used up.
    again = client.post("auth/refresh/", {"refresh": within.json()["refresh"]})
    assert again.status_code == 200


def test_39_the_secret_is_nowhere_to_be_read(
    globex: TenantIdentity, api: ApiFactory, system: Installation,
    globex_directory: TenantDirectory, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    globex_directory.configure(default_role="viewer", break_glass=("admin@globex.example",))
    operator = api(None)
    operator.sign_in("operator@example.com", system.password)
    address = "operator/tenants/globex/auth-backend/"
    said = [
        operator.get(address).content.decode(),
        operator.get("operator/tenants/globex/").content.decode(),
        operator.post(f"{address}test/", {"username": "a", "password": "b"}).content.decode(),
    ]
    globex_directory.stop()
    said.append(sign_in(api(globex), Account(id="", username="a", password="b")).content.decode())
    said.append(operator.post(f"{address}test/").content.decode())
    globex_directory.start()
    with override_settings(AUTH_ENCRYPTION_KEYS={"other": "x" * 40}):
        said.append(
            sign_in(api(globex), Account(id="", username="a", password="b")).content.decode()
        )
    out = StringIO()
    with context.operator():
        call_command("tenant", "auth", "show", "globex", stdout=out)
        call_command("tenant", "show", "globex", "--json", stdout=out)
        row = AuthConfiguration.objects.get(tenant=globex.id)
        said += [out.getvalue(), repr(row), repr(row.__dict__), str(row.secrets)]
    with system.owner() as owner:
        rows = owner.execute("SELECT row_to_json(o)::text FROM public.audit_outbox o").fetchall()
    said += [text for (text,) in rows]
    assert any('"authn_authconfiguration"' in text for (text,) in rows)
    system.relay()
    with psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, dbname=_audit_database()) as audit:
        said += [
            text
            for (text,) in audit.execute(
                "SELECT e::text FROM audit.entry e WHERE entity_type = 'authn.authconfiguration'"
            )
        ]

    assert SECRET not in "\n".join([*said, caplog.text])


def _audit_database() -> str:
    return str(psycopg.conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"])


def _let_pass(time: timedelta) -> None:
    """The directory was asked as long ago; a clock of the test's would not reach the tokens'."""
    with context.operator():
        for session in Session.objects.exclude(directory_checked_at=None):
            assert session.directory_checked_at is not None
            Session.objects.filter(id=session.id).update(
                directory_checked_at=session.directory_checked_at - time
            )


def test_33_two_first_sign_ins_at_once_make_one_person(
    globex: TenantIdentity, globex_directory: TenantDirectory
) -> None:
    globex_directory.configure(default_role="viewer")
    with context.operator():
        realm = AuthConfiguration.objects.get(tenant=globex.id).realm
    claim = identities.Claim(
        tenant_id=globex.id, realm=realm, external_id="1", username="alice",
        email="alice@globex.example", name="Alice",
    )  # fmt: skip

    def first() -> UUID:
        user = identities.recognise(
            claim=claim, role=Role.VIEWER, links_members=True, at=datetime.now(UTC)
        )
        assert user is not None
        return user.id

    assert len(set(at_once([first] * 4))) == 1
