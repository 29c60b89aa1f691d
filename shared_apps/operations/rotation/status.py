"""Which keys there are, what still needs the former ones, and what to do so that they can go."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count

from shared_apps.audit.sealing.models import WrappingKey
from shared_apps.authn import configuring as sign_in
from shared_apps.core import context
from shared_apps.mail import configuring as mail_servers
from shared_apps.mail import services as mail
from shared_apps.onboarding import selectors as onboarding
from shared_apps.onboarding.erasing import tombstones

_RESEAL = "manage.py secrets reseal"


@dataclass(frozen=True, slots=True)
class KeyState:
    """`id` names the key, never tells it. `uses` None: nobody can count them."""

    setting: str
    id: str
    is_current: bool
    is_known: bool
    uses: int | None
    advice: str

    @property
    def is_fine(self) -> bool:
        return self.is_known or not self.uses


def list_keys() -> list[KeyState]:
    return [
        *_secret_key(),
        *_signing(),
        *_sealing("AUTH_ENCRYPTION_KEYS", _encrypted()),
        *_sealing("AUDIT_SEALING_KEYS", _wrapped()),
    ]


def _secret_key() -> Iterator[KeyState]:
    yield KeyState("SECRET_KEY", "current", is_current=True, is_known=True, uses=None, advice="")
    waiting = mail.count_texts_of_former_keys()
    kept = onboarding.count_erasures_of_other_keys(mark=tombstones.key_mark())
    number = len(settings.SECRET_KEY_FALLBACKS)
    if not (number or waiting or kept):
        return
    reasons = []
    if waiting:
        reasons.append(f"{waiting} mails wait that it sealed: {_RESEAL}")
    if kept:
        reasons.append(
            f"{kept} erased people are known by it: keep it as long as archives and backups of before"
        )
    yield KeyState(
        "SECRET_KEY_FALLBACKS",
        f"{number} former",
        is_current=False,
        is_known=bool(number),
        uses=waiting + kept,
        advice="; ".join(reasons)
        or "take it out once addresses of files that it signed have ended (FILE_LINK_MINUTES)",
    )


def _signing() -> Iterator[KeyState]:
    longest = min(settings.REFRESH_TOKEN_LIFETIME, settings.MAX_LOGIN_LIFETIME)
    for number, id in enumerate(settings.JWT_SIGNING_KEYS):
        yield KeyState(
            "JWT_SIGNING_KEYS",
            id,
            is_current=number == 0,
            is_known=True,
            uses=None,
            advice=f"take it out {longest} after another has become the first" if number else "",
        )


def _sealing(setting: str, uses: dict[str, int]) -> Iterator[KeyState]:
    known = list(getattr(settings, setting))
    for id in [*known, *sorted(uses.keys() - set(known))]:
        count = uses.get(id, 0)
        if id == known[0]:
            advice = ""
        elif id not in known:
            advice = "put it back after the one in use: what it sealed cannot be opened"
        else:
            advice = _RESEAL if count else "take it out"
        yield KeyState(
            setting, id, is_current=id == known[0], is_known=id in known, uses=count, advice=advice
        )


def _encrypted() -> dict[str, int]:
    return dict(Counter(sign_in.count_by_key()) + Counter(mail_servers.count_by_key()))


def _wrapped() -> dict[str, int]:
    with context.operator():
        rows = WrappingKey.objects.annotate(
            own=Count("keys", distinct=True), gone=Count("erased", distinct=True)
        )
        return {row.id: row.own + row.gone for row in rows}
