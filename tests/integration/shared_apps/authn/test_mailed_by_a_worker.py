import re
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.cache import cache

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD
from tests.mailbox import Mailbox
from tests.people import make_person
from tests.waiting import wait_until
from tests.workers import purge, running_worker

NEW = "another good one"


def test_a_password_is_reset_by_a_mail_that_a_worker_sends(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api], mailbox: Mailbox,
    tmp_path: Path,
) -> None:  # fmt: skip
    person, stranger = make_person(acme), make_person(globex)
    queue = settings.CELERY_TASK_DEFAULT_QUEUE
    purge(queue)
    with context.tenant(acme):
        cache.clear()
    for asked in (stranger.email, person.email):
        assert api(acme).post("auth/password/reset/", {"email": asked}).status_code == 202

    with running_worker(
        "threads", queue=queue, directory=tmp_path, environment={"EMAIL_URL": mailbox.url}
    ):
        wait_until(lambda: len(mailbox.mails) == 1, "the mail was sent", timeout=60)
        token = re.findall(r"#(\S+)", mailbox.texts()[0])[0]
        body = {"token": token, "new_password": NEW}
        assert api(acme).post("auth/password/reset/confirm/", body).status_code == 204
        wait_until(lambda: len(mailbox.mails) == 2, "the owner was told", timeout=60)

    assert [mail["To"] for mail in mailbox.mails] == [person.email] * 2
    api(acme).sign_in(person.email, NEW)
    api(globex).sign_in(stranger.email, PASSWORD)
