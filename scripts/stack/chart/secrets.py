"""Print the Secret of a new installation as a manifest: generated keys and passwords, and every login's URL.

ADMIN_DATABASE_URL, AUDIT_ADMIN_DATABASE_URL and REDIS_URL say where the servers are. Run again with the same --keep
file it prints the same; nothing of it is made while a chart is rendered.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from scripts.stack.environment import Secrets, load_or_create_secrets, product_environment
from scripts.stack.errors import StackError
from scripts.stack.infra import Servers

# Of an environment, what is no secret: the chart says it by its values.
_SETTINGS = {
    "ALLOWED_HOSTS", "PUBLIC_HOST", "PUBLIC_URL", "DJANGO_SETTINGS_MODULE", "AUDIT_ANCHOR_PLACES", "EMAIL_URL",
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Raises StackError: a URL is missing or unfit, or the file would be overwritten."""
    parser = argparse.ArgumentParser(
        prog="scripts/chart-secrets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="freehold-secrets", help="of the Secret")
    parser.add_argument("--keep", type=Path, required=True, metavar="FILE",
                        help="what was generated, readable by you alone; a later run takes it from there")  # fmt: skip
    parser.add_argument(
        "--pooler", metavar="HOST[:PORT]", help="pgbouncer.enabled: RELEASE-pgbouncer:6432"
    )
    parser.add_argument(
        "--database", default="freehold", help="name of the database, and of the logins' beginning"
    )
    options = parser.parse_args(arguments)
    servers = Servers(
        admin_url=_variable("ADMIN_DATABASE_URL", "postgresql", "postgres"),
        audit_admin_url=_variable("AUDIT_ADMIN_DATABASE_URL", "postgresql"),
        redis_url=_variable("REDIS_URL", "redis", "rediss"),
    )
    generated = load_or_create_secrets(options.keep)
    values = secret_values(servers, generated, prefix=options.database, pooler=options.pooler)
    # JSON is YAML, and needs no quoting that somebody could forget.
    print(json.dumps(manifest(values, name=options.name), indent=2))
    return 0


def secret_values(
    servers: Servers, generated: Secrets, *, prefix: str, pooler: str | None
) -> dict[str, str]:
    environment = product_environment(
        servers, generated, settings="config.settings.production", prefix=prefix
    )
    values = {name: value for name, value in environment.items() if name not in _SETTINGS}
    if pooler:
        parts = urlsplit(values["DATABASE_URL"])
        host, _, port = pooler.partition(":")
        login = parts.netloc.rpartition("@")[0]
        values["POOLED_DATABASE_URL"] = urlunsplit(
            parts._replace(netloc=f"{login}@{host}:{port or 6432}")
        )
        values["PGBOUNCER_USERLIST"] = (
            f"{_quoted(unquote(parts.username or ''))} {_quoted(unquote(parts.password or ''))}\n"
        )
    return values


def manifest(values: Mapping[str, str], *, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "Opaque",
        "stringData": dict(values),
    }


def _variable(name: str, *schemes: str) -> str:
    value = os.environ.get(name, "")
    if urlsplit(value).scheme not in schemes:
        raise StackError(f"{name} is not set to a {schemes[0]}://… address; see docs/kubernetes.md")
    return value


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
