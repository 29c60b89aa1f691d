"""Addresses of files: whoever holds one may read the file, at that tenant and until it ends.

The signature covers the tenant, the name, the end and, if it is meant for one, the person.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.core import signing

from shared_apps.core import spaces
from shared_apps.tenants.errors import FileLinkError, FileLinkExpiredError

_SALT = "freehold.file"
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class FileLink:
    """What a signature was made for, apart from the tenant, who has been checked."""

    name: str
    person_id: UUID | None


def make(*, name: str, expires_at: datetime, person_id: UUID | None) -> str:
    """The path of the address, good in the present context only.

    Raises:
        TenantContextRequired: nobody's context.
    """
    signed = signing.dumps(
        {
            "s": spaces.current(),
            "n": name,
            "e": int(expires_at.timestamp()),
            **({"p": str(person_id)} if person_id else {}),
        },
        salt=_SALT,
    )
    return f"{settings.MEDIA_URL}{signed}"


def read(signed: str, *, at: datetime) -> FileLink:
    """What `signed` was made for.

    Raises:
        FileLinkError: not signed by us, or for another tenant; which of the two is not told.
        FileLinkExpiredError: its time is over.
        TenantContextRequired: nobody's context.
    """
    if len(signed) > _LONGEST:
        raise FileLinkError
    try:
        content = signing.loads(signed, salt=_SALT)
    except signing.BadSignature as error:
        raise FileLinkError from error
    if content["s"] != spaces.current():
        raise FileLinkError
    if at >= datetime.fromtimestamp(content["e"], tz=UTC):
        raise FileLinkExpiredError
    person = content.get("p")
    return FileLink(name=content["n"], person_id=UUID(person) if person else None)
