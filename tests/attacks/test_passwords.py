"""Attacks on changing, resetting and registering, by their numbers in the threat list."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from celery import current_app
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shared_apps.accounts import new_passwords
from shared_apps.accounts.models import User
from shared_apps.authn import mail_requests, password_resetting
from shared_apps.authn.models import Session, Ticket
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import delivery
from shared_apps.mail.models import OutgoingMail
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.mailbox import Mailbox
from tests.people import Person, add_role, make_auditor, make_person

ApiFactory = Callable[..., Api]
NEW = "another good one"


@pytest.fixture(autouse=True)
def _queue_without_workers() -> Iterator[None]:
    """A worker that another test has started looks into the common one."""
    common = current_app.conf.task_default_queue
    current_app.conf.task_default_queue = f"{common}-passwords"
    yield
    _purge(current_app.conf.task_default_queue)
    current_app.conf.task_default_queue = common


@pytest.fixture
def victim(acme: TenantIdentity) -> Person:
    return make_person(acme)


def sign_in(client: Api, person: Person, password: str = PASSWORD) -> Any:
    return client.post("auth/login/", {"email": person.email, "password": password})


def change_ticket(client: Api, person: Person) -> str:
    new_passwords.demand_change(user_id=person.id)
    return str(sign_in(client, person).json()["details"]["ticket"])


def reset_token(mailbox: Mailbox, tenant: TenantIdentity, person: Person) -> str:
    password_resetting.mail_reset(tenant_id=tenant.id, email=person.email, at=timezone.now())
    delivery.deliver_due(clock=timezone.now)
    found = re.search(r"#(\S+)", mailbox.texts()[-1])
    assert found
    return found[1]


def password_hash(user_id: UUID) -> str:
    with context.operator():
        return str(User.objects.values_list("password", flat=True).get(id=user_id))


def assert_refused(response: Any) -> None:
    assert (response.status_code, response.json()["code"]) == (400, "ticket_not_valid")
    assert response.json()["details"] == {}


def test_05_a_ticket_is_no_access_token_and_no_other_ticket(
    acme: TenantIdentity, api: ApiFactory, victim: Person, mailbox: Mailbox
) -> None:
    reset = reset_token(mailbox, acme, victim)
    ticket = change_ticket(api(acme), victim)
    before = password_hash(victim.id)
    for token in (ticket, reset):
        client = api(acme)
        client.headers = {"authorization": f"Bearer {token}"}
        shown = client.get("auth/user/")
        assert (shown.status_code, shown.json()["code"]) == (401, "token_not_valid")
        client.headers = {}
        assert client.post("auth/refresh/", {"refresh": token}).status_code == 401

    body = {"old_password": PASSWORD, "new_password": NEW}
    assert_refused(api(acme).post("auth/password/change/", {**body, "ticket": reset}))
    assert_refused(
        api(acme).post("auth/password/reset/confirm/", {"token": ticket, "new_password": NEW})
    )

    assert password_hash(victim.id) == before


def test_05_an_access_token_is_no_ticket(
    acme: TenantIdentity, api: ApiFactory, victim: Person
) -> None:
    client = api(acme)
    client.sign_in(victim.email, PASSWORD)
    client.headers = {}

    for token in (client.tokens["access"], client.tokens["refresh"]):
        body = {"ticket": token, "old_password": PASSWORD, "new_password": NEW}
        assert_refused(client.post("auth/password/change/", body))


def test_11_a_ticket_of_one_tenant_at_another(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, victim: Person, mailbox: Mailbox
) -> None:
    add_role(victim, globex, "viewer")
    reset = reset_token(mailbox, acme, victim)
    ticket = change_ticket(api(acme), victim)
    before = password_hash(victim.id)

    for elsewhere in (api(globex), api(None)):
        body = {"ticket": ticket, "old_password": PASSWORD, "new_password": NEW}
        assert_refused(elsewhere.post("auth/password/change/", body))
        assert_refused(
            elsewhere.post("auth/password/reset/confirm/", {"token": reset, "new_password": NEW})
        )

    assert password_hash(victim.id) == before
    body = {"ticket": ticket, "old_password": PASSWORD, "new_password": NEW}
    assert api(acme).post("auth/password/change/", body).status_code == 204


def test_15_a_dump_holds_no_usable_ticket_or_link(
    acme: TenantIdentity, api: ApiFactory, victim: Person, mailbox: Mailbox, system: Installation
) -> None:
    reset = reset_token(mailbox, acme, victim)
    ticket = change_ticket(api(acme), victim)
    password_resetting.mail_reset(tenant_id=acme.id, email=victim.email, at=timezone.now())

    with system.owner() as owner:
        dumped = _all_text(owner)

    assert victim.email in dumped
    assert reset not in dumped
    assert ticket not in dumped
    # Nor does the mail that waits.
    assert "/password/reset" not in dumped


def _all_text(owner: "psycopg.Connection[Any]") -> str:
    tables = ("accounts_user", "authn_ticket", "mail_outgoingmail", "audit_outbox")
    return "\n".join(
        str(row) for table in tables for row in owner.execute(f"SELECT * FROM public.{table}")
    )


def test_22_an_admin_closes_or_takes_no_account_that_others_gave_something(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, victim: Person, mailbox: Mailbox
) -> None:
    add_role(victim, globex, "admin")
    elsewhere = api(globex)
    elsewhere.sign_in(victim.email, PASSWORD)
    auditor = make_auditor(globex)
    add_role(auditor, acme, "viewer")
    admin, stranger = api(acme, "admin"), make_person(globex)

    for person in (victim, auditor):
        assert admin.post(f"users/{person.id}/password-reset/").status_code == 202
    assert admin.post(f"users/{stranger.id}/password-reset/").status_code == 404
    made = admin.post(
        "users/", {"email": stranger.email, "role": "viewer", "password": "known to the admin"}
    )

    assert made.status_code == 201
    assert elsewhere.get("auth/user/").status_code == 200
    for person in (victim, stranger):
        assert sign_in(api(globex), person).status_code == 200
    assert sign_in(api(None), auditor).status_code == 200
    assert sign_in(api(acme), stranger, "known to the admin").status_code == 401
    with context.operator():
        sent_to = set(OutgoingMail.objects.values_list("recipient", flat=True))
    assert sent_to == {victim.email, auditor.email}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-host": "evil.example"},
        {"forwarded": "host=evil.example"},
        {"x-host": "evil.example", "x-forwarded-proto": "https", "x-forwarded-port": "666"},
        {"host": "acme.localhost:666"},
        {"host": "ACME.localhost."},
    ],
)
def test_23_a_link_is_made_of_the_stored_domain(
    acme: TenantIdentity, victim: Person, mailbox: Mailbox, headers: dict[str, str]
) -> None:
    answer = Client().post(
        "/api/v1/auth/password/reset/", {"email": victim.email},
        content_type="application/json", headers={"host": "acme.localhost", **headers},
    )  # fmt: skip
    assert answer.status_code == 202
    # What the worker does with the message.
    with context.tenant(acme):
        _task(mail_requests.RESET_TASK)(email=victim.email)
    delivery.deliver_due(clock=timezone.now)

    [text] = mailbox.texts()
    assert re.findall(r"https?://[^#\s]+", text) == ["http://acme.localhost/password/reset"]


@pytest.mark.parametrize("host", ["evil.example", "acme.localhost@evil.example", "127.0.0.1"])
def test_23_another_host_asks_for_nothing(
    acme: TenantIdentity, victim: Person, mailbox: Mailbox, host: str
) -> None:
    answer = Client(raise_request_exception=False).post(
        "/api/v1/auth/password/reset/", {"email": victim.email},
        content_type="application/json", headers={"host": host},
    )  # fmt: skip

    assert answer.status_code in (400, 404)
    with context.operator():
        assert not OutgoingMail.objects.exists()


def test_48_a_reset_tells_nobody_who_has_an_account(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, victim: Person, mailbox: Mailbox
) -> None:
    stranger, disabled = make_person(globex), make_person(acme)
    with context.operator():
        User.objects.filter(id=disabled.id).update(is_active=False)
    asked = {
        "known": victim.email, "of another tenant": stranger.email, "disabled": disabled.email,
        "unknown": "nobody@acme.example", "no address": "x", "empty": "", "NUL": "\x00",
        "endless": "x" * 5000 + "@acme.example", "surrogate": "\ud800@acme.example",
    }  # fmt: skip
    answers = {}
    for case, email in asked.items():
        client = api(acme)
        client.headers = {"x-request-id": "the-same"}
        # The work of a request is the same as well: it asks for nobody.
        with CaptureQueriesContext(connection) as asked_for:
            response = client.post("auth/password/reset/", {"email": email})
        assert not re.search("accounts_|authn_|mail_", str(asked_for.captured_queries))
        answers[case] = (response.status_code, response.content, sorted(response.headers.items()))
        with context.tenant(acme):
            _task(mail_requests.RESET_TASK)(email=email[:254])

    assert len({str(answer) for answer in answers.values()}) == 1
    assert answers["unknown"][:2] == (202, b"")
    with context.operator():
        assert [mail.recipient for mail in OutgoingMail.objects.all()] == [victim.email]
        assert Ticket.objects.count() == 1


def test_49_one_network_floods_nobodys_mailbox(
    acme: TenantIdentity, api: ApiFactory, victim: Person, caplog: pytest.LogCaptureFixture
) -> None:
    queue = current_app.conf.task_default_queue
    _purge(queue)
    for number in range(mail_requests.MOST_PER_NETWORK + 5):
        client = api(acme)
        client.headers = {"x-forwarded-for": f"198.51.100.{number}"}
        assert client.post("auth/password/reset/", {"email": victim.email}).status_code == 202

    assert _purge(queue) == mail_requests.MOST_PER_NETWORK
    assert caplog.text.count("Too many mails were asked for from one network") == 5


def test_56_neither_links_nor_addresses_are_logged(
    acme: TenantIdentity, api: ApiFactory, victim: Person, mailbox: Mailbox,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    token = reset_token(mailbox, acme, victim)
    client = api(acme)
    client.post("auth/password/reset/confirm/", {"token": token, "new_password": "short"})
    client.post("auth/password/reset/confirm/", {"token": token, "new_password": NEW})

    ours = str([record.getMessage() for record in caplog.records if record.name != "mail.log"])
    assert token not in ours
    assert NEW not in ours
    assert victim.email not in ours
    with context.operator():
        assert not Session.objects.filter(user=victim.id).exists()


def _task(name: str) -> Any:
    current_app.loader.import_default_modules()
    return current_app.tasks[name]


def _purge(queue: str) -> int:
    with current_app.connection_for_write() as broker:
        return int(broker.default_channel.queue_purge(queue) or 0)
