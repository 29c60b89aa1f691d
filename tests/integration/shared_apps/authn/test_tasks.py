from django.conf import settings
from django.utils import timezone

from config.celery import app
from shared_apps.authn.models import Session
from shared_apps.authn.services import opening, signing_in
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.people import make_person


def test_the_daily_task_is_registered_and_deletes(acme: TenantIdentity) -> None:
    [entry] = [
        entry
        for entry in settings.CELERY_BEAT_SCHEDULE.values()
        if entry["task"] == "authn.delete_expired_sessions"
    ]
    assert (entry["schedule"], entry["options"]["headers"]["scope"]) == (24 * 60 * 60, "operator")
    person = make_person(acme)
    long_ago = timezone.now() - 2 * (settings.REFRESH_TOKEN_LIFETIME + settings.MAX_LOGIN_LIFETIME)
    signing_in.sign_in(
        tenant_id=acme.id, username=person.email, password=person.password,
        client=opening.Client(ip=None, user_agent=""), at=long_ago,
    )  # fmt: skip

    app.loader.import_default_modules()
    result = app.tasks[entry["task"]].apply(headers=entry["options"]["headers"])

    assert result.get() == 1
    with context.operator():
        assert not Session.objects.filter(user=person.id).exists()
