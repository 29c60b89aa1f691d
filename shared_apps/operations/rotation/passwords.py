"""Passwords of the logins: PostgreSQL made to agree with the URLs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from psycopg import conninfo, sql

from shared_apps.core import databases, renewal, servers
from shared_apps.core.databases import Database
from shared_apps.core.errors import explain

_APPLICATION = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "RELAY_DATABASE_URL")
_AUDIT = (
    "AUDIT_MIGRATION_DATABASE_URL",
    "AUDIT_DATABASE_URL",
    "AUDIT_READER_DATABASE_URL",
    "AUDIT_AUDITOR_DATABASE_URL",
    "AUDIT_RETENTION_DATABASE_URL",
)
_ALIASES = {"DATABASE_URL": "default", "MIGRATION_DATABASE_URL": "migration"}


@dataclass(frozen=True, slots=True)
class LoginState:
    setting: str
    login: str
    is_accepted: bool
    reason: str = ""


def examine() -> list[LoginState]:
    """Whether each login that this process knows gets in with the password of its URL."""
    return [_try(setting, parameters) for setting, parameters in _logins()]


def make_agree(report: Callable[[str], None]) -> list[LoginState]:
    """Give every login the password of its URL that is not accepted as it is. Sessions that are open stay.

    Only a verifier is sent, so that no log of the server has the password.

    Raises:
        SettingMissingError: a superuser's URL is missing.
        psycopg.Error: a server refuses.
    """
    done = []
    for setting, parameters in _logins():
        state = _try(setting, parameters)
        if not state.is_accepted and parameters.get("password"):
            admin_setting = (
                "AUDIT_ADMIN_DATABASE_URL" if setting in _AUDIT else "ADMIN_DATABASE_URL"
            )
            url = getattr(settings, admin_setting)
            with servers.connect(url, setting=admin_setting) as admin:
                _change(admin, str(parameters["user"]), str(parameters["password"]))
            state = _try(setting, parameters)
            report(f"{setting}: the password of {state.login} was changed")
        done.append(state)
    return done


def _change(admin: psycopg.Connection[Any], login: str, password: str) -> None:
    verifier = admin.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    ).decode()
    admin.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(verifier))
    )


def _logins() -> Iterator[tuple[str, dict[str, Any]]]:
    for setting in (*_APPLICATION, *_AUDIT):
        if alias := _ALIASES.get(setting):
            found = settings.DATABASES[alias]
            parameters = {
                "host": found["HOST"],
                "port": found["PORT"],
                "user": found["USER"],
                "password": found["PASSWORD"],
                "dbname": found["NAME"],
            }
        elif url := getattr(settings, setting):
            parameters = conninfo.conninfo_to_dict(url)
        else:
            continue
        # The file may have been written since this process began.
        yield setting, {**parameters, "password": renewal.current_password(parameters)}


def _try(setting: str, parameters: dict[str, Any]) -> LoginState:
    login = str(parameters["user"])
    given = {name: value for name, value in parameters.items() if value}
    try:
        psycopg.connect(**{**given, "connect_timeout": 10}).close()
    except psycopg.OperationalError as error:
        database = Database.AUDIT if setting in _AUDIT else Database.TENANTS
        reason = explain(databases.unreachable(error, database, parameters))
        return LoginState(setting, login, is_accepted=False, reason=reason)
    return LoginState(setting, login, is_accepted=True)
