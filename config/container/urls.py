"""The addresses of the databases, made of their parts where they are not given whole.

A password may hold any character: it is quoted here, in one place, and never by a shell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from config.env import Environment


@dataclass(frozen=True)
class Parts:
    """`prefix`_HOST, _PORT, _DB, _USER, _PASSWORD; the first three also of `base`."""

    prefix: str
    base: str
    database: str | None = None
    """The database unless named; that of `base` where this says nothing."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}_{part}" for part in ("HOST", "PORT", "DB", "USER", "PASSWORD"))


URLS: Mapping[str, Parts] = {
    "DATABASE_URL": Parts("POSTGRES", "POSTGRES"),
    "MIGRATION_DATABASE_URL": Parts("MIGRATION_POSTGRES", "POSTGRES"),
    "RELAY_DATABASE_URL": Parts("RELAY_POSTGRES", "POSTGRES"),
    "ADMIN_DATABASE_URL": Parts("ADMIN_POSTGRES", "POSTGRES", "postgres"),
    "AUDIT_DATABASE_URL": Parts("AUDIT_POSTGRES", "AUDIT_POSTGRES"),
    "AUDIT_READER_DATABASE_URL": Parts("AUDIT_READER_POSTGRES", "AUDIT_POSTGRES"),
    "AUDIT_AUDITOR_DATABASE_URL": Parts("AUDIT_AUDITOR_POSTGRES", "AUDIT_POSTGRES"),
    "AUDIT_RETENTION_DATABASE_URL": Parts("AUDIT_RETENTION_POSTGRES", "AUDIT_POSTGRES"),
    "AUDIT_MIGRATION_DATABASE_URL": Parts("AUDIT_MIGRATION_POSTGRES", "AUDIT_POSTGRES"),
    "AUDIT_ADMIN_DATABASE_URL": Parts("AUDIT_ADMIN_POSTGRES", "AUDIT_POSTGRES", "postgres"),
}


def complete(environment: Mapping[str, str], *, problems: list[str]) -> dict[str, str]:
    """The environment with what can be derived, without the parts; what is wrong is added to `problems`."""
    read = Environment(environment, problems)
    completed = dict(environment)
    for name, parts in URLS.items():
        is_given = environment.get(name) or environment.get(f"{name}_FILE")
        if not is_given and _is_meant(environment, parts):
            completed[name] = _compose(read, parts)
    for parts in URLS.values():
        for part in parts.names:
            completed.pop(part, None)
            completed.pop(f"{part}_FILE", None)
    # The setting's own default is the same; scripts and other programs look at the variable.
    for end in ("", "_FILE"):
        if not any(environment.get(f"CELERY_BROKER_URL{e}") for e in ("", "_FILE")) and (
            redis := environment.get(f"REDIS_URL{end}")
        ):
            completed[f"CELERY_BROKER_URL{end}"] = redis
    return completed


def _is_meant(environment: Mapping[str, str], parts: Parts) -> bool:
    """A login is named, or its password. A host alone is the other logins' too."""
    return any(
        environment.get(f"{parts.prefix}_{part}{end}")
        for part in ("USER", "PASSWORD")
        for end in ("", "_FILE")
    )


def _compose(read: Environment, parts: Parts) -> str:
    def part(name: str) -> str:
        own, base = f"{parts.prefix}_{name}", f"{parts.base}_{name}"
        if base != own and not (read.source.get(own) or read.source.get(f"{own}_FILE")):
            return read.text(base)
        return read.text(own)

    host = part("HOST")
    if "/" in host:
        read.problems.append(f"{parts.prefix}_HOST must be a host, not the directory of a socket")
    port = read.text(
        f"{parts.prefix}_PORT", default=read.text(f"{parts.base}_PORT", default="5432")
    )
    if not port.isdecimal():
        read.problems.append(f"{parts.prefix}_PORT must be a number")
    database = read.text(f"{parts.prefix}_DB", default=parts.database or part("DB"))
    user, password = read.text(f"{parts.prefix}_USER"), read.text(f"{parts.prefix}_PASSWORD")
    address = f"[{host}]" if ":" in host else host
    return (
        f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}"
        f"@{address}:{port}/{quote(database, safe='')}"
    )
