"""The product's environment on given servers: logins, databases, secrets."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from scripts.stack.infra import Servers
from scripts.stack.private_files import read_json, write_json

LOGINS = (
    "app",
    "owner",
    "relay",
    "audit_writer",
    "audit_reader",
    "audit_auditor",
    "audit_retention",
    "audit_owner",
)

LOCAL_SETTINGS = "config.settings.local"


@dataclass(frozen=True)
class Secrets:
    """What is generated once for an installation and then kept."""

    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    jwt_signing_keys: str = field(default_factory=lambda: f"local-1:{_random_key()}")
    audit_anchor_key: str = field(default_factory=lambda: _ed25519_seed())
    audit_sealing_keys: str = field(default_factory=lambda: f"local-1:{_random_key()}")
    auth_encryption_keys: str = field(default_factory=lambda: f"local-1:{_random_key()}")
    metrics_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    passwords: Mapping[str, str] = field(
        default_factory=lambda: {login: secrets.token_urlsafe(24) for login in LOGINS}
    )


def load_or_create_secrets(path: Path) -> Secrets:
    """Read the secrets; what is new since they were written is generated and added."""
    stored = read_json(path) or {}
    fresh = Secrets()
    merged = Secrets(
        secret_key=stored.get("secret_key", fresh.secret_key),
        jwt_signing_keys=stored.get("jwt_signing_keys", fresh.jwt_signing_keys),
        audit_anchor_key=stored.get("audit_anchor_key", fresh.audit_anchor_key),
        audit_sealing_keys=stored.get("audit_sealing_keys", fresh.audit_sealing_keys),
        auth_encryption_keys=stored.get("auth_encryption_keys", fresh.auth_encryption_keys),
        metrics_token=stored.get("metrics_token", fresh.metrics_token),
        passwords={**fresh.passwords, **stored.get("passwords", {})},
    )
    if asdict(merged) != stored:
        write_json(path, asdict(merged))
    return merged


def product_environment(
    servers: Servers,
    generated: Secrets,
    *,
    settings: str,
    files: Path | None = None,
    archives: Path | None = None,
    anchors: Path | None = None,
    prefix: str = "freehold",
    public_host: str = "localhost",
    public_url: str = "http://localhost",
    mail: Path | None = None,
    # Hosts are checked against the domains of the tenants; this list would be a further limit.
    allowed_hosts: str = "*",
) -> dict[str, str]:
    """The variables of the contract. `prefix` begins every login's and both databases' names.

    `mail` is a directory that takes the mails instead of a server; without it they wait.
    `files` is where tenants' files are kept, if anywhere; `archives` where the provisioner exports them to;
    `anchors` where it keeps those of the audit trail.
    """

    def login_url(server: str, login: str, database: str) -> str:
        return _with_login(
            server,
            user=f"{prefix}_{login}",
            password=generated.passwords[login],
            path=database,
        )

    def application(login: str) -> str:
        return login_url(servers.admin_url, login, prefix)

    def audit(login: str) -> str:
        return login_url(servers.audit_admin_url, login, f"{prefix}_audit")

    return {
        "DATABASE_URL": application("app"),
        "MIGRATION_DATABASE_URL": application("owner"),
        "RELAY_DATABASE_URL": application("relay"),
        "AUDIT_DATABASE_URL": audit("audit_writer"),
        "AUDIT_READER_DATABASE_URL": audit("audit_reader"),
        "AUDIT_AUDITOR_DATABASE_URL": audit("audit_auditor"),
        "AUDIT_RETENTION_DATABASE_URL": audit("audit_retention"),
        "AUDIT_MIGRATION_DATABASE_URL": audit("audit_owner"),
        "ADMIN_DATABASE_URL": servers.admin_url,
        "AUDIT_ADMIN_DATABASE_URL": servers.audit_admin_url,
        "REDIS_URL": servers.redis_url,
        "CELERY_BROKER_URL": _next_redis_database(servers.redis_url),
        **({"POSTGRES_BIN_DIR": str(servers.programs)} if servers.programs else {}),
        **({"FILES_ROOT": str(files)} if files else {}),
        **({"ARCHIVES_ROOT": str(archives)} if archives else {}),
        **({"AUDIT_ANCHOR_PLACES": anchors.as_uri()} if anchors else {}),
        "AUDIT_ANCHOR_KEY": generated.audit_anchor_key,
        "SECRET_KEY": generated.secret_key,
        "JWT_SIGNING_KEYS": generated.jwt_signing_keys,
        "AUDIT_SEALING_KEYS": generated.audit_sealing_keys,
        "AUTH_ENCRYPTION_KEYS": generated.auth_encryption_keys,
        "METRICS_TOKEN": generated.metrics_token,
        "ALLOWED_HOSTS": allowed_hosts,
        "PUBLIC_HOST": public_host,
        "PUBLIC_URL": public_url,
        **({"EMAIL_URL": mail.as_uri()} if mail else {}),
        "DJANGO_SETTINGS_MODULE": settings,
    }


def _with_login(url: str, *, user: str, password: str, path: str) -> str:
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{address}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{quote(path, safe='')}"))


def _next_redis_database(url: str) -> str:
    """Apart from the cache, so that clearing the cache cannot lose queued tasks."""
    parts = urlsplit(url)
    database = int(parts.path.strip("/") or 0)
    return urlunsplit(parts._replace(path=f"/{database + 1}"))


def _random_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(48)).decode().rstrip("=")


def _ed25519_seed() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
