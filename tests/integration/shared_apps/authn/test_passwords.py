"""Passwords that are due, changed, reset by mail; people who register."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from shared_apps.accounts import new_passwords
from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.accounts.models import User, UserTenantRole
from shared_apps.authn import limits, password_resetting, registering, tickets
from shared_apps.authn.choices import TicketPurpose
from shared_apps.authn.errors import RegistrationClosedError
from shared_apps.authn.models import Session, Ticket
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import delivery
from shared_apps.mail.models import OutgoingMail
from tests.client import Api
from tests.concurrency import at_once
from tests.installation import PASSWORD
from tests.mailbox import Mailbox
from tests.people import Person, make_person

ApiFactory = Callable[..., Api]
NEW = "another good one"


@pytest.fixture
def person(acme: TenantIdentity) -> Person:
    return make_person(acme, "viewer")


@pytest.fixture
def due(acme: TenantIdentity) -> Person:
    """Somebody who must change their password."""
    person = make_person(acme, "viewer")
    new_passwords.demand_change(user_id=person.id)
    return person


def sign_in(client: Api, person: Person, password: str = PASSWORD) -> Any:
    return client.post("auth/login/", {"email": person.email, "password": password})


def ticket_for(client: Api, person: Person) -> str:
    response = sign_in(client, person)
    assert (response.status_code, response.json()["code"]) == (403, "password_change_required")
    return str(response.json()["details"]["ticket"])


def change(client: Api, ticket: str, old: str = PASSWORD, new: str = NEW) -> Any:
    return client.post(
        "auth/password/change/", {"ticket": ticket, "old_password": old, "new_password": new}
    )


def links(mailbox: Mailbox, to: str) -> list[str]:
    """What is due is sent; the addresses in all mails to somebody."""
    delivery.deliver_due(clock=lambda: datetime.now(UTC) + timedelta(seconds=1))
    return [
        found
        for mail in mailbox.mails
        if mail["To"] == to
        for found in re.findall(r"https?://\S+", mail.get_content())
    ]


def reset_token(mailbox: Mailbox, tenant: TenantIdentity | None, person: Person) -> str:
    tenant_id = tenant.id if tenant else None
    password_resetting.mail_reset(tenant_id=tenant_id, email=person.email, at=timezone.now())
    return links(mailbox, person.email)[-1].partition("#")[2]


def confirm(client: Api, token: str, new: str = NEW) -> Any:
    return client.post("auth/password/reset/confirm/", {"token": token, "new_password": new})


def count_sessions(person: Person) -> int:
    with context.operator():
        return Session.objects.filter(user=person.id, revoked_at=None).count()


def test_a_due_password_opens_its_own_change_and_nothing_else(
    acme: TenantIdentity, api: ApiFactory, due: Person
) -> None:
    client = api(acme)
    ticket = ticket_for(client, due)
    assert count_sessions(due) == 0

    assert change(client, ticket).status_code == 204

    assert sign_in(client, due, NEW).status_code == 200
    assert sign_in(client, due, PASSWORD).status_code == 401
    assert not people.get_password_state(user_id=due.id).must_change
    again = change(client, ticket, old=NEW, new="yet another good one")
    assert (again.status_code, again.json()["code"]) == (400, "ticket_not_valid")
    assert sign_in(client, due, NEW).status_code == 200


def test_a_ticket_survives_a_bad_new_password_but_no_wrong_old_one(
    acme: TenantIdentity, api: ApiFactory, due: Person
) -> None:
    client = api(acme)
    ticket = ticket_for(client, due)

    refused = change(client, ticket, new="short")
    assert (refused.status_code, refused.json()["code"]) == (400, "policy_violation")
    assert refused.json()["details"]["reason"]
    wrong = change(client, ticket, old="not the old one")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "wrong_old_password")
    spent = change(client, ticket)
    assert (spent.status_code, spent.json()["code"]) == (400, "ticket_not_valid")

    assert people.get_password_state(user_id=due.id).must_change
    assert change(client, ticket_for(client, due)).status_code == 204


def test_of_many_uses_of_a_ticket_one_succeeds(
    acme: TenantIdentity, api: ApiFactory, due: Person
) -> None:
    ticket = ticket_for(api(acme), due)
    chosen = [f"good password number {number}" for number in range(4)]

    answers = at_once([lambda new=new: change(api(acme), ticket, new=new) for new in chosen])

    statuses = [getattr(answer, "status_code", answer) for answer in answers]
    assert sorted(statuses, key=str) == [204, 400, 400, 400]
    assert sign_in(api(acme), due, chosen[statuses.index(204)]).status_code == 200


@pytest.mark.parametrize("ticket", ["", "x", "ä", "x" * 5000, "\x00", "a.b.c"])
def test_what_is_no_ticket_is_refused(
    acme: TenantIdentity, api: ApiFactory, due: Person, ticket: str
) -> None:
    response = change(api(acme), ticket)

    assert (response.status_code, response.json()["code"]) == (400, "ticket_not_valid")


def test_a_ticket_keeps_no_session(acme: TenantIdentity, api: ApiFactory, due: Person) -> None:
    body = {"ticket": "x", "old_password": PASSWORD, "new_password": NEW, "keep_current": True}

    assert api(acme).post("auth/password/change/", body).status_code == 400


def test_a_ticket_ends_after_five_minutes(
    acme: TenantIdentity, api: ApiFactory, due: Person
) -> None:
    ticket = ticket_for(api(acme), due)
    with context.operator():
        Ticket.objects.update(expires_at=timezone.now())

    assert change(api(acme), ticket).json()["code"] == "ticket_not_valid"
    assert tickets.LIFETIMES[TicketPurpose.PASSWORD_CHANGE] == timedelta(minutes=5)
    assert tickets.delete_expired(at=timezone.now()) == 1
    assert tickets.delete_expired(at=timezone.now()) == 0


def test_a_change_is_told_to_the_owner(
    acme: TenantIdentity, api: ApiFactory, person: Person, mailbox: Mailbox
) -> None:
    client = api(acme)
    client.sign_in(person.email, PASSWORD)

    client.post("auth/password/change/", {"old_password": PASSWORD, "new_password": NEW})

    assert links(mailbox, person.email) == ["http://acme.localhost/password/reset"]
    assert mailbox.mails[0]["Subject"].startswith("Your password was changed at ")
    assert NEW not in mailbox.texts()[0]


@pytest.mark.parametrize("attempt", range(4))
def test_a_sign_in_by_the_old_password_leaves_no_session_behind_the_change(
    acme: TenantIdentity, api: ApiFactory, person: Person, attempt: int
) -> None:
    client = api(acme)
    client.sign_in(person.email, PASSWORD)
    body = {"old_password": PASSWORD, "new_password": NEW}

    answers = at_once(
        [lambda: client.post("auth/password/change/", body)]
        + [lambda: sign_in(api(acme), person) for _ in range(3)]
    )

    assert getattr(answers[0], "status_code", answers[0]) == 204
    assert count_sessions(person) == 0


def test_reset(acme: TenantIdentity, api: ApiFactory, person: Person, mailbox: Mailbox) -> None:
    client = api(acme)
    client.sign_in(person.email, PASSWORD)
    token = reset_token(mailbox, acme, person)
    assert links(mailbox, person.email) == [f"http://acme.localhost/password/reset#{token}"]

    refused = confirm(client, token, "short")
    assert (refused.status_code, refused.json()["code"]) == (400, "policy_violation")
    assert confirm(client, token, PASSWORD).json()["code"] == "policy_violation"
    client.headers = {}
    assert confirm(client, token).status_code == 204

    assert count_sessions(person) == 0
    assert sign_in(client, person).status_code == 401
    assert sign_in(client, person, NEW).status_code == 200
    again = confirm(client, token, "yet another good one")
    assert (again.status_code, again.json()["code"]) == (400, "ticket_not_valid")


@pytest.mark.parametrize("changed", ["password", "email", "disabled", "role"])
def test_a_link_dies_with_what_it_stands_for(
    acme: TenantIdentity, api: ApiFactory, person: Person, mailbox: Mailbox, changed: str
) -> None:
    token = reset_token(mailbox, acme, person)
    with context.operator():
        user = User.objects.filter(id=person.id)
        match changed:
            case "password":
                # As Django's own command does, past all of ours.
                owner = user.get()
                owner.set_password(NEW)
                owner.save()
            case "email":
                user.update(email="moved@acme.example")
            case "disabled":
                user.update(is_active=False)
            case "role":
                UserTenantRole.objects.filter(user=person.id).delete()
        before = user.values_list("password", flat=True).get()

    response = confirm(api(acme), token, "yet another good one")

    assert (response.status_code, response.json()["code"]) == (400, "ticket_not_valid")
    with context.operator():
        assert user.values_list("password", flat=True).get() == before


def test_an_older_link_dies_when_a_newer_one_is_used(
    acme: TenantIdentity, api: ApiFactory, person: Person, mailbox: Mailbox
) -> None:
    older, newer = (reset_token(mailbox, acme, person) for _ in range(2))

    assert confirm(api(acme), newer).status_code == 204
    assert confirm(api(acme), older, "yet another good one").json()["code"] == "ticket_not_valid"


def test_whoever_was_invited_without_a_password_sets_one_by_mail(
    acme: TenantIdentity, api: ApiFactory, mailbox: Mailbox
) -> None:
    admin = api(acme, "admin")
    made = admin.post("users/", {"email": "ida@acme.example", "role": "viewer"}).json()
    ida = Person(id=made["id"], email="ida@acme.example")

    assert admin.post(f"users/{ida.id}/password-reset/").status_code == 202
    token = links(mailbox, ida.email)[0].partition("#")[2]

    assert confirm(api(acme), token).status_code == 204
    assert sign_in(api(acme), ida, NEW).status_code == 200


def test_operators_reset_at_the_public_host(
    acme: TenantIdentity, api: ApiFactory, mailbox: Mailbox
) -> None:
    at = timezone.now()
    made = accounts.create_operator(email="olga@example.com", name="", password=PASSWORD, at=at)
    olga = Person(id=made.id, email=made.email)
    password_resetting.mail_reset(tenant_id=acme.id, email=olga.email, at=at)
    assert links(mailbox, olga.email) == []

    token = reset_token(mailbox, None, olga)

    assert links(mailbox, olga.email) == [f"http://localhost/password/reset#{token}"]
    assert confirm(api(acme), token).json()["code"] == "ticket_not_valid"
    assert confirm(api(None), token).status_code == 204
    assert sign_in(api(None), olga, NEW).status_code == 200


def test_so_many_links_an_hour(acme: TenantIdentity, person: Person, mailbox: Mailbox) -> None:
    at = timezone.now()

    for _ in range(5):
        password_resetting.mail_reset(tenant_id=acme.id, email=person.email, at=at)
    assert len(links(mailbox, person.email)) == 3
    later = at + timedelta(hours=1)
    password_resetting.mail_reset(tenant_id=acme.id, email=person.email, at=later)

    delivery.deliver_due(clock=lambda: later)
    assert len(mailbox.mails) == 4


def test_an_admin_has_somebody_choose_a_new_password(
    acme: TenantIdentity, api: ApiFactory, person: Person, mailbox: Mailbox
) -> None:
    client = api(acme)
    client.sign_in(person.email, PASSWORD)

    response = api(acme, "admin").post(f"users/{person.id}/password-reset/")

    assert response.status_code == 202
    assert client.get("auth/user/").status_code == 401
    assert sign_in(client, person).json()["code"] == "password_change_required"
    assert len(links(mailbox, person.email)) == 1
    for role in ("viewer", "editor"):
        assert api(acme, role).post(f"users/{person.id}/password-reset/").status_code == 403


def test_an_admin_does_not_lock_themselves_out(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, mailbox: Mailbox
) -> None:
    """Whom no mail reaches would not get in again; a link that they ask for ends nothing before it is used."""
    admin, elsewhere = make_person(acme, "admin"), make_person(globex, "admin")
    client, foreign = api(acme), api(globex)
    client.sign_in(admin.email, PASSWORD)
    foreign.sign_in(elsewhere.email, PASSWORD)

    refused = client.post(f"users/{admin.id}/password-reset/")
    unknown = foreign.post(f"users/{admin.id}/password-reset/")

    assert (refused.status_code, refused.json()["code"]) == (403, "own_password")
    assert unknown.status_code == 404
    assert client.get("auth/user/").status_code == 200
    assert sign_in(api(acme), admin).status_code == 200
    assert links(mailbox, admin.email) == []
    token = reset_token(mailbox, acme, admin)
    assert client.get("auth/user/").status_code == 200
    assert confirm(api(acme), token).status_code == 204
    assert client.get("auth/user/").status_code == 401


@pytest.fixture
def open_registration(acme: TenantIdentity) -> Iterator[None]:
    registering.allow(tenant_id=acme.id, email_domains=["acme.example", "globex.example"])
    yield
    registering.allow(tenant_id=acme.id, email_domains=[])


def registration_token(mailbox: Mailbox, tenant: TenantIdentity, email: str) -> str:
    registering.mail_confirmation(tenant_id=tenant.id, email=email, at=timezone.now())
    return links(mailbox, email)[-1].partition("#")[2]


@pytest.mark.usefixtures("open_registration")
def test_registration(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, mailbox: Mailbox
) -> None:
    assert api(acme).post("auth/registration/", {"email": "Zoe@acme.example"}).status_code == 202
    with context.operator():
        assert not User.objects.filter(email="zoe@acme.example").exists()
    token = registration_token(mailbox, acme, "zoe@acme.example")
    body = {"token": token, "name": "Zoe", "password": NEW}
    refused = api(acme).post("auth/registration/confirm/", {**body, "password": "short"})
    assert (refused.status_code, refused.json()["code"]) == (400, "policy_violation")

    response = api(acme).post("auth/registration/confirm/", body)

    assert (response.status_code, response.json()) == (201, {"account": "new"})
    client = api(acme)
    client.sign_in("ZOE@acme.example", NEW)
    shown = client.get("auth/user/").json()
    assert (shown["name"], shown["roles"]) == ("Zoe", ["viewer"])
    again = api(acme).post("auth/registration/confirm/", body)
    assert again.json()["code"] == "ticket_not_valid"
    elsewhere = api(globex).post("auth/registration/", {"email": "zoe@acme.example"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "registration_closed")
    assert api(globex).post("auth/registration/confirm/", body).status_code == 403


@pytest.mark.usefixtures("open_registration")
@pytest.mark.parametrize(
    "email", ["x@evil.example", "x@sub.acme.example", "x@acme.example.evil.example", "x@example"]
)
def test_addresses_of_other_domains_are_refused(
    acme: TenantIdentity, api: ApiFactory, email: str
) -> None:
    response = api(acme).post("auth/registration/", {"email": email})

    assert response.status_code in (400, 403)
    assert response.json()["code"] in ("registration_closed", "accounts.invalid_email")


@pytest.mark.usefixtures("open_registration")
def test_a_link_is_no_use_when_its_domain_is_not_let_in_any_more(
    acme: TenantIdentity, api: ApiFactory, mailbox: Mailbox
) -> None:
    token = registration_token(mailbox, acme, "zoe@acme.example")
    registering.allow(tenant_id=acme.id, email_domains=["globex.example"])

    body = {"token": token, "password": NEW}
    response = api(acme).post("auth/registration/confirm/", body)

    assert (response.status_code, response.json()["code"]) == (403, "registration_closed")
    with context.operator():
        assert not User.objects.filter(email="zoe@acme.example").exists()
    registering.allow(tenant_id=acme.id, email_domains=["*"])
    assert api(acme).post("auth/registration/confirm/", body).status_code == 201


@pytest.mark.usefixtures("open_registration")
def test_somebody_of_another_tenant_registers_and_keeps_the_password(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, mailbox: Mailbox
) -> None:
    stranger = make_person(globex, "admin")
    token = registration_token(mailbox, acme, stranger.email)

    body = {"token": token, "name": "Mallory", "password": NEW}
    response = api(acme).post("auth/registration/confirm/", body)

    assert response.json() == {"account": "existing"}
    assert sign_in(api(acme), stranger, NEW).status_code == 401
    signed_in = sign_in(api(acme), stranger)
    assert signed_in.json()["user"]["roles"] == ["viewer"]
    assert sign_in(api(globex), stranger).json()["user"]["roles"] == ["admin"]


@pytest.mark.usefixtures("open_registration")
def test_a_member_who_registers_is_told_by_mail(
    acme: TenantIdentity, person: Person, mailbox: Mailbox
) -> None:
    registering.mail_confirmation(tenant_id=acme.id, email=person.email, at=timezone.now())

    assert links(mailbox, person.email) == ["http://acme.localhost/password/reset"]
    with context.operator():
        assert not Ticket.objects.exists()


def test_registration_is_closed_unless_a_tenant_opens_it(
    acme: TenantIdentity, api: ApiFactory, mailbox: Mailbox
) -> None:
    for client in (api(acme), api(None)):
        for path in ("auth/registration/", "auth/registration/confirm/"):
            response = client.post(path, {"email": "x@acme.example"})
            assert (response.status_code, response.json()["code"]) == (403, "registration_closed")
    with pytest.raises(RegistrationClosedError):
        registering.mail_confirmation(tenant_id=acme.id, email="x@acme.example", at=timezone.now())


def test_one_network_asks_for_so_many_mails(acme: TenantIdentity, globex: TenantIdentity) -> None:
    def may_ask(tenant: TenantIdentity, address: str | None, what: str = "mail") -> bool:
        return limits.may_ask(what, tenant_id=tenant.id, address=address, most=2, seconds=600)

    assert [may_ask(acme, f"2001:db8::{number:x}") for number in range(4)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert may_ask(acme, "2001:db8:0:1::1")
    assert may_ask(acme, None)
    assert may_ask(acme, "2001:db8::1", "another mail")
    assert may_ask(globex, "2001:db8::1")


@pytest.mark.usefixtures("open_registration")
def test_an_erased_persons_mails_and_tickets_go(
    acme: TenantIdentity, globex: TenantIdentity, person: Person, mailbox: Mailbox
) -> None:
    other = make_person(globex)
    at = timezone.now()
    for tenant, asked in ((acme, person), (globex, other)):
        password_resetting.mail_reset(tenant_id=tenant.id, email=asked.email, at=at)
    delivery.deliver_due(clock=timezone.now)

    with context.operator(), attribution.acting(attribution.command("erase-person")):
        call_command("erase-person", person.email, "--yes", stdout=StringIO(), stderr=StringIO())

    with context.operator():
        assert [mail.recipient for mail in OutgoingMail.objects.all()] == [other.email]
        assert [ticket.user_id for ticket in Ticket.objects.all()] == [other.id]
