"""Whom an address means, and what was done about it before."""

from dataclasses import dataclass

from shared_apps.accounts import selectors as people
from shared_apps.accounts.emails import validated_email
from shared_apps.core import context
from shared_apps.core.doctor import Finding
from shared_apps.onboarding.erasing import tombstones
from shared_apps.onboarding.erasing.subjects import Subject
from shared_apps.onboarding.models import Erasure


@dataclass(frozen=True, slots=True)
class Case:
    subject: Subject
    erasure: Erasure | None
    """One that was begun, or was finished for the same address."""
    has_account: bool
    """With the address; not one that is anonymised."""

    @property
    def is_to_be_looked_for(self) -> bool:
        """Whether only a look at every tenant tells if there is anything to do."""
        is_begun = self.erasure is not None and self.erasure.finished_at is None
        return not self.has_account and not is_begun

    @property
    def email(self) -> str:
        assert self.subject.email is not None  # a case is opened by an address
        return self.subject.email


def open_case(email: str) -> Case:
    """Raises EmailError: this is no address."""
    address = validated_email(email)
    user = people.find_user_by_email(email=address)
    erasure = tombstones.find_erasure(email=address)
    if user is None:
        subject = Subject(erasure.user_id if erasure else None, address)
        return Case(subject, erasure, has_account=False)
    # Somebody else who had the address before is not meant; an account that was made while an erasure
    # without one was stopped is.
    is_own = erasure is not None and (
        erasure.user_id == user.id or (erasure.user_id is None and erasure.finished_at is None)
    )
    return Case(Subject(user.id, address), erasure if is_own else None, has_account=True)


def find_unfinished() -> list[Finding]:
    """Erasures that were begun and not done: they were stopped, or a tenant failed."""
    with context.operator():
        begun = list(Erasure.objects.filter(finished_at=None).order_by("started_at"))
    return [
        Finding(
            f"erasure {erasure.id}",
            f"was begun {erasure.started_at:%Y-%m-%d %H:%M} UTC and is not done",
            "manage.py erase-person with the same address",
        )
        for erasure in begun
    ]
