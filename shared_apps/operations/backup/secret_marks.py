"""Which secrets a backup needs, told without telling them."""

from collections.abc import Iterable, Mapping

from django.conf import settings

from shared_apps.core.sealing import derive

_PURPOSE = "freehold.backup.mark"
_LENGTH = 12  # bytes


def marks() -> dict[str, tuple[str, ...]]:
    """Setting → a mark of each of its secrets, the one in use first."""
    return {name: tuple(map(_mark, secrets)) for name, secrets in _secrets().items()}


def missing(needed: Mapping[str, Iterable[str]]) -> list[str]:
    """Settings of which this process lacks a secret that the backup was made with."""
    own = marks()
    return sorted(name for name, wanted in needed.items() if set(wanted) - set(own.get(name, ())))


def _secrets() -> dict[str, list[str]]:
    return {
        "SECRET_KEY": [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS],
        "AUTH_ENCRYPTION_KEYS": list(settings.AUTH_ENCRYPTION_KEYS.values()),
        "AUDIT_SEALING_KEYS": list(settings.AUDIT_SEALING_KEYS.values()),
    }


def _mark(secret: str) -> str:
    return derive(secret, _PURPOSE)[:_LENGTH].hex()
