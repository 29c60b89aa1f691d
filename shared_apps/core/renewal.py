"""Connections whose password may be changed while the process runs.

PostgreSQL knows one password of a login at a time: once it is changed, sessions that are open stay, and new
ones need the new one. So a connection that is refused reads the file of its URL (`DATABASE_URL_FILE`)
once more, and tries again if another password is in it now. No text of an error is looked at: servers
speak many languages, and libpq gives no code for a refused connection.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import psycopg
from django.conf import settings
from psycopg import conninfo

Row = TypeVar("Row", covariant=True)

_Key = tuple[str, str, str]
_renewed: dict[_Key, str] = {}
_NAMED = ("host", "port", "user", "password")


class Connection(psycopg.Connection[Row]):
    """What every connection of the product is, or derives from."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:  # type: ignore[override]  # all of them are handed on
        """As psycopg's own; with the password that is in the URL's file by now, where the former is refused.

        Raises:
            psycopg.OperationalError: the server cannot be reached, or takes neither.
        """
        given = _given(conninfo, options)
        known = _renewed.get(_key(given))
        if known is not None:
            options["password"] = known
        try:
            return super().connect(conninfo, **options)  # type: ignore[return-value]  # of this class
        except psycopg.OperationalError:
            password = _read_again(given)
            if password is None or password == (known or given.get("password")):
                raise
            connection = super().connect(conninfo, **{**options, "password": password})
            _renewed[_key(given)] = password
            return connection  # type: ignore[return-value]  # of this class


def current_password(parameters: Mapping[str, Any]) -> str | None:
    """What connections with these parameters use by now, for programs that connect by themselves."""
    return _read_again(parameters) or _renewed.get(_key(parameters)) or parameters.get("password")


def _given(text: str, options: Mapping[str, Any]) -> dict[str, Any]:
    parameters = conninfo.conninfo_to_dict(text) if text else {}
    return {**parameters, **{name: options[name] for name in _NAMED if options.get(name)}}


def _key(parameters: Mapping[str, Any]) -> _Key:
    """A login of a server, whatever the database."""
    return (
        str(parameters.get("host") or ""),
        str(parameters.get("port") or "5432"),
        str(parameters.get("user") or ""),
    )


def _read_again(parameters: Mapping[str, Any]) -> str | None:
    """Of the file whose URL names this login."""
    for path in settings.DATABASE_URL_FILES:
        try:
            found = conninfo.conninfo_to_dict(Path(path).read_text().strip())
        except (OSError, UnicodeDecodeError, psycopg.ProgrammingError):
            continue  # half written; the next connection looks again
        if _key(found) == _key(parameters) and found.get("password"):
            return str(found["password"])
    return None
