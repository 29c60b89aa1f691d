"""Stored answers of a person who is erased go; in those of others the address is masked."""

from collections.abc import Callable
from typing import Any

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.idempotency.models import StoredAnswer
from tests.client import Api
from tests.installation import PASSWORD
from tests.integration.shared_apps.onboarding.erasing import erase
from tests.people import make_person

Send = Callable[..., Any]


def test_an_erased_persons_answers(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api], send: Send
) -> None:
    person = make_person(acme, "editor")
    own = api(acme)
    own.sign_in(person.email, PASSWORD)
    send(own, "vendors/", {"name": "Own"}, key="own")
    others = [api(acme, "editor"), api(globex, "editor")]
    for other in others:
        answer = send(other, "vendors/", {"name": "Theirs", "email": person.email}, key="k")
        assert person.email in answer.content.decode()

    ended = erase(person.email, "--yes")
    assert ended.code == 0, ended.err

    for tenant in (acme, globex):
        with context.tenant(tenant):
            [left] = StoredAnswer.objects.all()
        assert person.email not in left.body
        assert '"email":"erased"' in left.body
        assert left.person != person.id
