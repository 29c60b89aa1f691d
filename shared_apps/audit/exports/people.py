"""Who is meant by an address."""

from django.contrib.auth import get_user_model

from shared_apps.core import context

NOBODY = "unknown person"
"""Something that no entry has."""


def author(text: str) -> str:
    """What entries call the person of this address; anything but an address is taken as it is."""
    if "@" not in text:
        return text
    with context.operator():
        person = get_user_model().objects.filter(email=text.strip().lower()).first()
    return str(person.pk) if person else NOBODY
