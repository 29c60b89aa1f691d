"""The same key: the same answer and no second effect; what is stored, and for whom."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.utils import timezone

from shared_apps.accounts import services as accounts
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.idempotency import services, tasks
from tenant_apps.idempotency.models import StoredAnswer
from tenant_apps.invoicing.models import Vendor
from tests.client import Api
from tests.concurrency import at_once
from tests.installation import PASSWORD, Installation
from tests.people import make_person
from tests.waiting import wait_until

T = TypeVar("T")

ApiFactory = Callable[..., Api]
Send = Callable[..., Any]

PAPER = {"name": "Paper AG"}
REPLAYED = "Idempotency-Replayed"


def names(tenant: TenantIdentity) -> list[str]:
    with context.tenant(tenant):
        return sorted(Vendor.objects.values_list("name", flat=True))


def stored(tenant: TenantIdentity) -> int:
    with context.tenant(tenant):
        return StoredAnswer.objects.count()


def test_a_repeated_request_has_one_effect_and_the_same_answer(
    acme: TenantIdentity, api: ApiFactory, send: Send
) -> None:
    editor = api(acme, "editor")
    first = send(editor, "vendors/", PAPER, key="k-1")
    assert first.status_code == 201
    assert REPLAYED not in first
    # The form of the address, the order of names and a pair of quotes mean nothing.
    again = send(editor, "vendors", '{ "name" : "Paper AG" }', key='"k-1"')
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Content-Type"] == first["Content-Type"]
    assert again[REPLAYED] == "true"
    assert again["X-Request-ID"] != first["X-Request-ID"]
    assert names(acme) == ["Paper AG"]
    assert send(editor, "vendors/", PAPER, key="k-2").json()["id"] != first.json()["id"]
    assert REPLAYED not in send(editor, "vendors/", PAPER, key=None)


def test_a_replay_comes_with_the_headers_of_the_result(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any]
) -> None:
    editor = api(acme, "editor")
    first, again = (send(editor, "/answer/201/", {"a": 1}, key="k") for _ in range(2))
    assert views == [{"a": 1}]
    assert again.content == first.content
    kept = ("Location", "ETag", "Content-Type")
    assert [again[name] for name in kept] == [first[name] for name in kept]
    assert ("X-Of-This-Exchange" in first, "X-Of-This-Exchange" in again) == (True, False)


@pytest.mark.parametrize(
    ("status", "is_stored"),
    [
        (200, True), (201, True), (202, True), (204, True), (404, True), (409, True), (410, True),
        (422, True), (500, True),
        (400, False), (401, False), (403, False), (412, False), (429, False), (503, False),
    ],
)  # fmt: skip
def test_what_is_stored(
    acme: TenantIdentity,
    api: ApiFactory,
    send: Send,
    views: list[Any],
    status: int,
    is_stored: bool,
) -> None:
    editor = api(acme, "editor")
    first, again = (send(editor, f"/answer/{status}/", {}, key="k") for _ in range(2))
    assert (first.status_code, again.status_code) == (status, status)
    assert len(views) == (1 if is_stored else 2)
    assert (REPLAYED in again) is is_stored
    if is_stored:
        assert again.content == first.content
    assert stored(acme) == (1 if is_stored else 0)
    # A refusal leaves nothing of what was written before it.
    assert len(names(acme)) == (1 if status < 300 else 0)
    assert b"secret" not in first.content


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_every_method_that_writes_takes_a_key(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any], method: str
) -> None:
    editor = api(acme, "editor")
    answers = [send(editor, "/answer/200/", "{}", key="k", method=method) for _ in range(2)]
    assert len({answer.content for answer in answers}) == 1
    assert len(views) == 1


def test_a_view_set_takes_a_key(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any]
) -> None:
    editor = api(acme, "editor")
    answers = [send(editor, "/set/", {}, key="k") for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert len(views) == 1


def test_another_request_with_the_key_is_refused(
    acme: TenantIdentity, api: ApiFactory, send: Send
) -> None:
    editor = api(acme, "editor")
    send(editor, "vendors/", PAPER, key="k")
    for other in ({"name": "Ink AG"}, {"name": "Paper AG", "email": ""}):
        answer = send(editor, "vendors/", other, key="k")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.key_reused")
        assert answer["Content-Type"] == "application/problem+json"
        assert '</api/v1/docs/>; rel="describedby"; type="text/html"' in answer["Link"]
    assert send(editor, "vendors/?a=b", PAPER, key="k").status_code == 422
    assert names(acme) == ["Paper AG"]
    # Another method or address is another request altogether.
    own = send(editor, "vendors/", PAPER, key="k").json()["id"]
    assert send(editor, f"vendors/{own}/", PAPER, key="k", method="patch").status_code == 200


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        '""',
        '"',
        "a b",
        "a,b",
        'a"b',
        "a\\b",
        "schlüssel",
        "x" * 256,
        '"' + "x" * 256 + '"',
    ],
)
def test_a_key_that_cannot_be_one(
    acme: TenantIdentity, api: ApiFactory, send: Send, key: str
) -> None:
    answer = send(api(acme, "editor"), "vendors/", PAPER, key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.key_invalid")
    assert names(acme) == []


def test_the_longest_key(acme: TenantIdentity, api: ApiFactory, send: Send) -> None:
    assert send(api(acme, "editor"), "vendors/", PAPER, key="!" + "~" * 254).status_code == 201


def test_a_view_can_require_a_key(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any]
) -> None:
    editor = api(acme, "editor")
    answer = send(editor, "/required/", {}, key=None)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.key_missing")
    assert 'rel="describedby"' in answer["Link"]
    assert names(acme) == []
    assert send(editor, "/required/", {}, key="k").status_code == 201


def test_a_view_with_secrets_stores_nothing(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any]
) -> None:
    editor = api(acme, "editor")
    for path in ("/atomic/", "/open/"):
        caller = editor if path == "/atomic/" else api(acme)
        assert [send(caller, path, {}, key="k").status_code for _ in range(2)] == [201, 201]
    assert names(acme) == ["atomic", "atomic", "open", "open"]
    assert stored(acme) == 0


def test_a_plain_view_keeps_what_it_wrote(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any]
) -> None:
    assert send(api(acme, "editor"), "/plain/", {}, key="k").status_code == 409
    assert names(acme) == ["plain"]


@pytest.mark.parametrize("kind", ["large", "streamed"])
def test_an_answer_that_cannot_be_kept_is_not_given_twice(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any], kind: str
) -> None:
    editor = api(acme, "editor")
    assert send(editor, f"/large/{kind}/", {}, key="k").status_code == 200
    again = send(editor, f"/large/{kind}/", {}, key="k")
    assert (again.status_code, again.json()["code"]) == (409, "idempotency.answer_not_kept")
    assert views == [kind]
    assert names(acme) == [kind]


def test_a_form_is_the_same_whatever_divides_its_parts(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any]
) -> None:
    editor = api(acme, "editor")

    def post(content: bytes, boundary: str) -> Any:
        from django.test.client import encode_multipart

        body = encode_multipart(boundary, {"a": "1", "file": SimpleUploadedFile("f.csv", content)})
        kind = f"multipart/form-data; boundary={boundary}"
        return send(editor, "/form/", body, key="k", content_type=kind)

    first = post(b"one", "first")
    assert first.json()["read"] == "one"
    assert post(b"one", "second").content == first.content
    assert post(b"two", "first").status_code == 422


def test_another_person_and_another_tenant_with_the_key(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, send: Send
) -> None:
    callers = [api(acme, "editor"), api(acme, "admin"), api(globex, "editor")]
    answers = [send(caller, "vendors/", PAPER, key="k") for caller in callers]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["id"] for answer in answers}) == 3
    assert (len(names(acme)), len(names(globex))) == (2, 1)
    assert (stored(acme), stored(globex)) == (2, 1)


def test_whoever_lost_the_role_is_not_told(
    acme: TenantIdentity, api: ApiFactory, send: Send, views: list[Any]
) -> None:
    person = make_person(acme, "editor")
    caller = api(acme)
    caller.sign_in(person.email, PASSWORD)
    made = send(caller, "vendors/", PAPER, key="k")
    # What asks for READ alone would be replayed to a viewer, were it not for the roles of then.
    own = send(caller, "/own/", {}, key="k")
    assert (made.status_code, own.status_code) == (201, 201)
    chief = make_person(acme, "admin").id
    accounts.change_role(tenant_id=acme.id, user_id=person.id, role="viewer", by=chief)
    refused = [send(caller, "vendors/", PAPER, key="k"), send(caller, "/own/", {}, key="k")]
    assert [answer.status_code for answer in refused] == [403, 403]
    assert refused[1].json()["code"] == "idempotency.roles_changed"
    for answer in refused:
        assert made.json()["id"] not in answer.content.decode()
        assert own.json()["id"] not in answer.content.decode()
    accounts.revoke_role(tenant_id=acme.id, user_id=person.id, by=chief)
    assert send(caller, "vendors/", PAPER, key="k").status_code in (401, 403)


def test_after_its_time_a_key_is_a_new_one(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, send: Send
) -> None:
    editor, other = api(acme, "editor"), api(globex, "editor")
    first = send(editor, "vendors/", PAPER, key="k")
    send(other, "vendors/", PAPER, key="k")
    with context.tenant(acme):
        StoredAnswer.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert send(editor, "vendors/", PAPER, key="k").content == first.content
    with context.tenant(acme):
        StoredAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24))
    anew = send(editor, "vendors/", {"name": "Ink AG"}, key="k")
    assert (anew.status_code, REPLAYED in anew) == (201, False)
    assert names(acme) == ["Ink AG", "Paper AG"]

    with context.tenant(acme):
        StoredAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24))
        assert tasks.delete_forgotten() == 1
    assert (stored(acme), stored(globex)) == (0, 1)


def test_the_forgotten_are_deleted_in_batches(acme: TenantIdentity) -> None:
    now = timezone.now()
    with context.tenant(acme):
        StoredAnswer.objects.bulk_create(
            StoredAnswer(
                request=f"{number:064}", person=uuid4(), fingerprint="", status=200, body="",
                created_at=now - timedelta(hours=25 if number < 1001 else 1),
            )
            for number in range(1003)
        )  # fmt: skip
        assert services.delete_forgotten(at=now) == 1001
        assert StoredAnswer.objects.count() == 2


def test_eight_at_once(acme: TenantIdentity, api: ApiFactory, send: Send) -> None:
    """One is carried out; the others are told to wait or are told its answer."""
    clients = [api(acme, "editor") for _ in range(8)]
    answers = at_once([lambda one=one: send(one, "vendors/", PAPER, key="k") for one in clients])
    statuses = sorted(answer.status_code for answer in answers)  # type: ignore[union-attr]
    assert set(statuses) <= {201, 409}
    made = [one for one in answers if one.status_code == 201]  # type: ignore[union-attr]
    assert len([one for one in made if REPLAYED not in one]) == 1  # type: ignore[operator]
    assert len({one.content for one in made}) == 1  # type: ignore[union-attr]
    for busy in (one for one in answers if one.status_code == 409):  # type: ignore[union-attr]
        assert busy.json()["code"] == "idempotency.in_progress"  # type: ignore[union-attr]
        assert busy["Retry-After"] == "1"  # type: ignore[index]
    assert names(acme) == ["Paper AG"]
    assert send(clients[0], "vendors/", PAPER, key="k").content == made[0].content  # type: ignore[union-attr]


def test_a_request_that_goes_on_holds_its_key(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, send: Send, system: Installation
) -> None:
    editor, other = api(acme, "editor"), api(globex, "editor")
    with ThreadPoolExecutor(1) as pool:
        with system.owner() as owner, owner.transaction():
            owner.execute(f"LOCK TABLE {acme.schema}.invoicing_vendor IN EXCLUSIVE MODE")  # type: ignore[call-overload]
            going_on = pool.submit(_closing, lambda: send(editor, "vendors/", PAPER, key="k"))
            wait_until(lambda: _is_waiting(system), "the request waits for the table")
            busy = send(editor, "vendors/", PAPER, key="k")
            elsewhere = send(other, "vendors/", PAPER, key="k")
        first = going_on.result()
    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency.in_progress")
    assert (busy["Retry-After"], stored(globex)) == ("1", 1)
    assert elsewhere.status_code == 201
    assert first.status_code == 201
    assert names(acme) == ["Paper AG"]


def _closing(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connections.close_all()


def _is_waiting(system: Installation) -> bool:
    with system.owner() as owner:
        found = owner.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return bool(found and found[0])
