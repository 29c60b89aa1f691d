"""What is wrong with a declaration: where, and what to do."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from shared_apps.core.errors import AppError, ConflictError, InvalidError

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """`text` holds nothing that could be a secret."""

    path: Path
    line: int | None
    text: str

    @property
    def field(self) -> str:
        """`tenants[0].domains[1]`."""
        name = ""
        for part in self.path:
            if isinstance(part, int):
                name += f"[{part}]"
            else:
                name += f".{_printable(part)}" if name else _printable(part)
        return name

    def describe(self, file: str) -> str:
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {self.field}: {self.text}" if self.path else f"{place}: {self.text}"


def _printable(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else repr(key[:60])


class DeclarationRefusedError(AppError):
    """The declaration is refused as a whole; nothing was changed."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line or 0, problem.field))
        details: dict[str, Any] = {}
        for problem in self.problems:
            details.setdefault(problem.field or "declaration", []).append(problem.text)
        super().__init__(self.message, **details)


class DeclarationError(DeclarationRefusedError, InvalidError):
    """It is not well-formed."""

    code = "onboarding.declaration"
    message = "The declaration is not valid."


class DeclarationConflictError(DeclarationRefusedError, ConflictError):
    """It is well-formed, and does not fit the tenants that there are."""

    code = "onboarding.declaration_conflict"
    message = "The declaration does not fit the tenants that there are."
