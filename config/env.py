"""The only reader of the environment.

Each variable can also be given as `<NAME>_FILE`, the path of a file that holds the value (Docker and
Kubernetes secrets). What is missing or wrong is collected and reported in one message by `finish()`,
because an operator who fixes one variable per restart has a bad night.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
IPNetwork = IPv4Network | IPv6Network

_MISSING: Any = object()
_SENSITIVE = ("SECRET", "PASSWORD", "PASSPHRASE", "TOKEN", "ANCHOR_KEY")
MINIMUM_SECRET_LENGTH = 32


@dataclass
class Environment:
    """Reads typed values from `source`; remembers every problem instead of stopping at the first."""

    source: Mapping[str, str] = field(default_factory=lambda: os.environ)
    problems: list[str] = field(default_factory=list)
    sensitive: set[str] = field(default_factory=set)
    """Values that were read and must not be shown: what leaves the machine is searched for them."""

    def text(self, name: str, *, default: str = _MISSING) -> str:
        return self._read(name, str, default, blank="")

    def integer(self, name: str, *, default: int = _MISSING, low: int, high: int) -> int:
        def parse(raw: str) -> int:
            value = int(raw) if raw.lstrip("-").isdigit() else None
            if value is None or not low <= value <= high:
                raise ValueError(f"must be a whole number from {low} to {high}")
            return value

        return self._read(name, parse, default, blank=low)

    def boolean(self, name: str, *, default: bool = _MISSING) -> bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

        def parse(raw: str) -> bool:
            if raw.lower() not in words:
                raise ValueError("must be true or false")
            return words[raw.lower()]

        return self._read(name, parse, default, blank=False)

    def choice(self, name: str, *, default: str = _MISSING, choices: tuple[str, ...]) -> str:
        def parse(raw: str) -> str:
            if raw not in choices:
                raise ValueError(f"must be one of {', '.join(choices)}")
            return raw

        return self._read(name, parse, default, blank=choices[0])

    def names(self, name: str, *, default: list[str] = _MISSING) -> list[str]:
        """A list separated by commas."""
        return self._read(
            name,
            lambda raw: [part.strip() for part in raw.split(",") if part.strip()],
            default,
            blank=[],
        )

    def networks(self, name: str, *, default: list[IPNetwork] = _MISSING) -> list[IPNetwork]:
        """A list of networks in CIDR notation, separated by commas."""

        def parse(raw: str) -> list[IPNetwork]:
            try:
                return [ip_network(part.strip()) for part in raw.split(",") if part.strip()]
            except ValueError:
                raise ValueError("must be networks as 10.1.0.0/16, separated by commas") from None

        return self._read(name, parse, default, blank=[])

    def secret(self, name: str, *, default: str = _MISSING) -> str:
        """A secret of at least `MINIMUM_SECRET_LENGTH` characters that is no known placeholder."""

        def parse(raw: str) -> str:
            if len(raw) < MINIMUM_SECRET_LENGTH:
                raise ValueError(f"must have at least {MINIMUM_SECRET_LENGTH} characters")
            if any(word in raw.lower() for word in ("insecure", "changeme", "change-me")):
                raise ValueError("is a placeholder; generate one")
            self.sensitive.add(raw)
            return raw

        return self._read(name, parse, default, blank="")

    def secrets_by_id(self, name: str, *, default: dict[str, str] = _MISSING) -> dict[str, str]:
        """`id:secret,id:secret`, the first one in use, the others still accepted."""

        def parse(raw: str) -> dict[str, str]:
            keys: dict[str, str] = {}
            for part in raw.split(","):
                key_id, _, value = part.strip().partition(":")
                if not key_id or len(value) < MINIMUM_SECRET_LENGTH:
                    raise ValueError(
                        f"must be id:secret[,id:secret], secrets of {MINIMUM_SECRET_LENGTH} or more characters"
                    )
                if key_id in keys:
                    raise ValueError("names a key id twice")
                keys[key_id] = value
                self.sensitive.add(value)
            return keys

        return self._read(name, parse, default, blank={})

    def parsed(self, name: str, parse: Callable[[str], T], *, default: T) -> T:
        """What `parse` makes of the text; the ValueError that it raises says what must be."""
        return self._read(name, parse, default, blank=default)

    def database(self, name: str, *, default: dict[str, Any] = _MISSING) -> dict[str, Any]:
        """A PostgreSQL URL as Django's NAME, USER, PASSWORD, HOST, PORT."""
        return self._read(name, _parse_database_url, default, blank={})

    def url(self, name: str, *, default: str = _MISSING, schemes: tuple[str, ...]) -> str:
        def parse(raw: str) -> str:
            parts = urlsplit(raw)
            if parts.scheme not in schemes or not (parts.netloc or parts.path):
                raise ValueError(
                    f"must be a URL starting with {' or '.join(f'{s}://' for s in schemes)}"
                )
            return raw

        return self._read(name, parse, default, blank="")

    def files(self, *names: str) -> tuple[str, ...]:
        """Paths of those that are given as files: for what is to be read again while the process runs."""
        return tuple(path for name in names if (path := self.source.get(f"{name}_FILE")))

    def finish(self) -> None:
        """Raise one ImproperlyConfigured that lists everything found so far."""
        if self.problems:
            listed = "\n".join(f"  - {problem}" for problem in sorted(set(self.problems)))
            raise ImproperlyConfigured(f"The environment is not complete:\n{listed}")

    def _read(self, name: str, parse: Callable[[str], T], default: T, *, blank: T) -> T:
        raw = self._raw(name)
        self._remember(name, raw or "")
        if raw is None:
            if default is _MISSING:
                self.problems.append(f"{name} is not set (nor {name}_FILE)")
                return blank
            return default
        try:
            return parse(raw)
        except ValueError as error:
            # Never the value itself: it may be a secret.
            self.problems.append(f"{name} {error}")
            return blank

    def _remember(self, name: str, raw: str) -> None:
        """What a name or a URL gives away as secret, whoever asks for it in whatever way."""
        if any(word in name for word in _SENSITIVE) and not raw.isdigit():
            self.sensitive.update(part.strip() for part in raw.split(",") if part.strip())
        if "://" in raw:
            try:
                password = urlsplit(raw).password or ""
            except ValueError:
                password = ""
            self.sensitive.update({password, unquote(password)} - {""})

    def _raw(self, name: str) -> str | None:
        path = self.source.get(f"{name}_FILE")
        value = self.source.get(name)
        if path and value:
            self.problems.append(f"{name} and {name}_FILE are both set; keep one")
        if not path:
            return value or None
        try:
            return Path(path).read_text().strip() or None
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{name}_FILE cannot be read: {path} ({type(error).__name__})")
            return value or " "


def _parse_database_url(raw: str) -> dict[str, Any]:
    parts = urlsplit(raw)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("must start with postgresql:// (Freehold runs on PostgreSQL only)")
    name = unquote(parts.path.lstrip("/"))
    try:
        port = parts.port
    except ValueError:
        raise ValueError("has a port that is not a number") from None
    if not (parts.hostname and parts.username and name):
        raise ValueError("must be postgresql://user:password@host:port/database")
    return {
        "NAME": name,
        "USER": unquote(parts.username),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": str(port or 5432),
    }


env = Environment()
