"""What mails say: plain text in files, the first line the subject."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template

from shared_apps.mail.choices import MailKind

_DIRECTORY = Path(__file__).parent / "texts"
_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    body: str


def render(kind: MailKind, variables: Mapping[str, str]) -> Text:
    """Raises KeyError: a text names a variable that was not given."""
    subject, body = _templates(kind)
    # One line: a tenant's name must not begin another header.
    line = " ".join(subject.substitute(variables).split())
    return Text(subject=line[:_LONGEST_SUBJECT], body=body.substitute(variables))


@lru_cache(maxsize=32)
def _templates(kind: MailKind) -> tuple[Template, Template]:
    subject, _, body = (_DIRECTORY / f"{kind.value}.txt").read_text().partition("\n\n")
    return Template(subject), Template(body)
