"""What leaves the machine in a support bundle: facts, and no secret, no password, no token, no address."""

import json
import os
import tarfile
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from django.conf import settings
from django.db import connections

from shared_apps.core import context
from tests.client import Api
from tests.installation import Installation
from tests.integration.shared_apps.operations.console import run

VARIABLES = (
    "SECRET_KEY", "JWT_SIGNING_KEYS", "AUTH_ENCRYPTION_KEYS", "AUDIT_SEALING_KEYS", "METRICS_TOKEN",
    "AUDIT_ANCHOR_KEY",
)  # fmt: skip


def secrets_of_the_environment() -> set[str]:
    """By what the variables are, not by what the product takes for secret."""
    found = {os.environ[name].rpartition(":")[2] for name in VARIABLES}
    for value in os.environ.values():
        if "://" in value and (password := urlsplit(value).password):
            found |= {password, unquote(password)}
    return found


def addresses() -> list[str]:
    with context.operator(), connections["default"].cursor() as cursor:
        cursor.execute("SELECT email FROM accounts_user")
        return [row[0] for row in cursor.fetchall()]


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {
            info.name.removeprefix("freehold-support/"): tar.extractfile(info).read().decode()  # type: ignore[union-attr]  # all are files
            for info in tar
        }


@pytest.fixture
def logs(tmp_path: Path, system: Installation) -> Path:
    """In which somebody was careless in every way that we could think of."""
    api = Api(system.tenants["acme"], role="admin", password=system.password)
    known = secrets_of_the_environment()
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "web.log").write_text(
        "".join(
            json.dumps(line) + "\n"
            for line in (
                {"event": "started", "password": system.password, "level": "info"},
                {
                    "event": f"called with Bearer {api.tokens['access']}",
                    "refresh": api.tokens["refresh"],
                },
                {"event": "mail", "to": addresses(), "nested": {"deep": [*known]}},
                {"event": "url", "target": settings.AUDIT_DATABASE_URL},
            )
        )
    )
    lines = [f"odd {secret} in a text" for secret in known]
    lines += [f"x={quote(secret, safe='')}" for secret in known]
    lines += [f"Y {b64encode(secret.encode()).decode()} Z" for secret in known]
    lines += [f"{address} signed in" for address in addresses()]
    lines += [f"token: {api.tokens['refresh']}", f"password={system.password!r}", "{not json, " + next(iter(known))]  # fmt: skip
    (folder / "relay.log").write_text("\n".join(lines))
    return folder


def test_nothing_secret_and_nobody_is_in_any_file(
    system: Installation, logs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.tar.gz"
    everything = "\n".join(file.read_text() for file in logs.iterdir())

    done = run("installation", "support-bundle", "-o", str(path), "--log", str(logs), "--json")

    assert done.code == 0, done.err
    found = contents(path)
    known = secrets_of_the_environment()
    assert len(known) >= 12
    for name, text in found.items():
        for secret in known:
            assert secret not in text, name
            assert b64encode(secret.encode()).decode().rstrip("=") not in text, name
        for address in addresses():
            assert address not in text, name
        assert system.password not in text, name
        assert "eyJ" not in text, name
    # The careless lines are there otherwise.
    assert found["logs/relay.log"].count("signed in") == len(addresses())
    assert "started" in found["logs/web.log"]
    assert all(secret in everything for secret in known)


def test_what_helps_is_in_it(system: Installation, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"

    assert run("installation", "support-bundle", "-o", str(path)).code == 0

    found = {name: json.loads(text) for name, text in contents(path).items()}
    assert found["about.json"]["version"] == "0.1.0"
    assert [tenant["slug"] for tenant in found["tenants.json"]] == ["acme", "globex"]
    assert {"database", "redis", "wall", "clocks"} <= found["doctor.json"].keys()
    assert int(found["application-database.json"]["settings"]["max_connections"]) > 0
    assert "SECRET_KEY" in found["settings.json"]["set"]
    assert not any("could_not_be_asked" in fact for fact in found.values())
    assert path.stat().st_mode & 0o077 == 0


def test_what_is_there_is_not_overwritten_and_nothing_half_is_left(
    system: Installation, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.tar.gz"
    path.write_text("mine")

    assert run("installation", "support-bundle", "-o", str(path)).code == 1
    missing = run(
        "installation", "support-bundle", "-o", str(tmp_path / "b"), "--log", str(tmp_path / "no")
    )

    assert (missing.code, "cannot be read" in missing.err) == (1, True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle.tar.gz"]
    assert path.read_text() == "mine"
