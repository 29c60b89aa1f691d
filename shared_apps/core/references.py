"""Secrets by reference: `{env: NAME}` or `{file: PATH}`; the value is read when it is used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared_apps.core.errors import InvalidError

_LARGEST_BYTES = 64 * 1024
# What an operator may refer to from afar: never the installation's own variables.
REMOTE_NAME = re.compile(r"TENANT_SECRET_[A-Z0-9_]+", re.ASCII)


class SecretMissingError(InvalidError):
    code = "onboarding.secret_missing"
    message = "A secret that is referred to is not there."


@dataclass(frozen=True, slots=True)
class Reference:
    """One of the two is set."""

    env: str | None = None
    file: str | None = None

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> "Reference":
        return cls(env=declared.get("env"), file=declared.get("file"))

    @property
    def as_declared(self) -> dict[str, str]:
        return {"env": self.env} if self.env else {"file": self.file or ""}


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where references are looked up. `given` are values that came another way: by standard input."""

    environment: Mapping[str, str]
    directory: Path
    given: Mapping[Reference, str] | None = None

    def read(self, reference: Reference) -> str:
        """Raises SecretMissingError, with the name and never the value."""
        if self.given and reference in self.given:
            return self.given[reference]
        if reference.env:
            if value := self.environment.get(reference.env):
                return value
            raise SecretMissingError(f"the variable {reference.env} is not set")
        path = self.directory / (reference.file or "")
        try:
            with path.open("rb") as file:
                raw = file.read(_LARGEST_BYTES + 1)
            value = raw.decode().strip()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not a text"
            raise SecretMissingError(
                f"the file {reference.file} cannot be read: {reason}"
            ) from None
        if not value or len(raw) > _LARGEST_BYTES:
            raise SecretMissingError(
                f"the file {reference.file} is {'too large' if value else 'empty'}"
            )
        return value
