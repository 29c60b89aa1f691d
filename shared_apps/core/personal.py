"""What a model says of the people whose data it holds, so that `manage.py erase-person` finds all of it.

    class Vendor(TenantModel, Auditable):
        personal: ClassVar[tuple[Rule, ...]] = (
            Emptied(by="email", columns={"email": ""}),
            Kept(by="created_by", reason="…", ground="…"),
        )

`by` is the field that says whose row it is: a key or UUID is compared with the person's id, a text with
the person's e-mail address in its canonical form. A check (`manage.py check`) refuses a model with such a
field and no rule that names it. Rules are carried out in onboarding/erasing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import models


@dataclass(frozen=True, slots=True)
class Deleted:
    """The person's rows go."""

    by: str
    accountable: tuple[str, ...] = ()
    """What stays readable in the trail beside the keys: what was done, not who it was."""


@dataclass(frozen=True, slots=True)
class Emptied:
    """The person's rows stay, and these columns take the given values."""

    by: str
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Masked:
    """Texts and JSON that may mention the person's address: it is replaced by `MASK`, wherever it stands."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Anonymised:
    """The account itself: it stays for whatever refers to its id, and tells nothing any more."""

    by: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays, counted in the report with the reason and the ground in law that the app gives.

    Where `by` is an address the report names the rows, because somebody has to judge them.
    """

    by: str
    reason: str
    ground: str
    columns: tuple[str, ...] = ()
    is_counted: bool = True
    """False: not worth a line, such as the record of the erasure itself."""


Rule = Deleted | Emptied | Masked | Anonymised | Kept


def rules_of(model: type[models.Model]) -> tuple[Rule, ...]:
    found: tuple[Rule, ...] = getattr(model, "personal", ())
    return found


def is_by_address(model: type[models.Model], rule: Emptied | Kept | Deleted) -> bool:
    """Whether the field that says whose row it is holds an address."""
    field = model._meta.get_field(rule.by)
    return isinstance(field, models.CharField | models.TextField)


# Not longer than the shortest address, so that it fits wherever one stood.
MASK: Final = "erased"

ID_ALONE: Final = "only the id of an account that tells nothing any more"
ACCOUNTABILITY: Final = "GDPR Art. 5(2), 17(3)(b): who changed what stays accountable"
