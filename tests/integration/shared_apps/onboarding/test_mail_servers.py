"""A tenant's own mail server, declared in tenants.yaml."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import configuring
from shared_apps.mail.configuring import Present
from shared_apps.tenants.models import Tenant
from tests.client import Api
from tests.ended import Ended
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant

PASSWORD = "the-password-of-the-server"
_MAIL = "{host: mail.globex.example, sender: Post@globex.example, user: globex, secrets: {password: {env: TENANT_SECRET_MAIL}}}"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_SECRET_MAIL", PASSWORD)


def globex_with(mail: str = "") -> str:
    return tenant("globex", name="Globex", **({"mail": mail} if mail else {}))


def present(identity: TenantIdentity) -> Present | None:
    return configuring.list_present(tenant_ids=[identity.id]).get(identity.id)


def fields(planned: Any) -> Mapping[str, tuple[Any, Any]]:
    changes = json.loads(planned.out)["changes"]
    return {
        found["field"]: (found["old"], found["new"])
        for change in changes
        for found in change["differences"]
        if found["field"].startswith("mail")
    }


def test_a_server_is_declared_changed_and_taken_away(
    console: Console, acme: TenantIdentity, globex: TenantIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.declare(globex_with(_MAIL))
    planned = console.plan("--json")
    assert PASSWORD not in planned.out
    assert fields(planned) == {
        "mail.host": (None, "mail.globex.example"),
        "mail.port": (None, 465),
        "mail.security": (None, "tls"),
        "mail.sender": (None, "post@globex.example"),
        "mail.user": (None, "globex"),
        "mail.secrets.password": (None, "new"),
    }
    assert console.apply().code == 0
    found = present(globex)
    assert found is not None
    assert (found.server.host, found.password) == ("mail.globex.example", PASSWORD)
    assert present(acme) is None
    assert fields(console.plan("--json")) == {}

    monkeypatch.setenv("TENANT_SECRET_MAIL", "another")
    planned = console.plan("--json")
    assert fields(planned) == {"mail.secrets.password": (None, "changed")}
    assert console.apply().code == 0
    assert (found := present(globex)) is not None
    assert found.password == "another"

    console.declare(globex_with())
    assert set(fields(console.plan("--json"))) == {
        "mail.host", "mail.port", "mail.security", "mail.sender", "mail.user", "mail.secrets.password",
    }  # fmt: skip
    assert console.apply().code == 0
    assert present(globex) is None


def test_a_secret_that_is_missing_changes_nothing(
    console: Console, globex: TenantIdentity, acme: TenantIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TENANT_SECRET_MAIL")
    console.declare(globex_with(_MAIL))

    applied = console.apply()

    assert applied.code == 1
    assert "TENANT_SECRET_MAIL" in applied.out + applied.err
    assert present(globex) is None


@pytest.mark.parametrize(
    ("mail", "said"),
    [
        ("{host: a.example, sender: x}", "sender"),
        ("{host: a.example, sender: a@b.example, user: a}", "needs both user and secrets.password"),
        ("{host: a.example, sender: a@b.example, security: none}", "must be tls or starttls"),
        ("{host: a.example, sender: a@b.example, ca_certificate: nonsense}", "holds no certificate"),
        ("{host: a b, sender: a@b.example}", "a host name or an address"),
        (
            "{host: a.example, sender: a@b.example, user: a, secrets: {password: hunter2}}",
            "a secret is never written down here",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(
    console: Console, globex: TenantIdentity, acme: TenantIdentity, mail: str, said: str
) -> None:
    console.declare(globex_with(mail))

    planned = console.plan()

    assert planned.code == 1
    assert said in planned.err
    assert "tenants.yaml:" in planned.err
    assert "hunter2" not in planned.err + planned.out
    assert present(globex) is None


def test_operators_who_change_something_else_leave_it(
    console: Console, made: None, system: Installation, globex: TenantIdentity
) -> None:
    console.declare(globex_with(_MAIL))
    assert console.apply().code == 0
    operator = Api(None)
    operator.sign_in("operator@example.com", system.password)

    answer = operator.patch("operator/tenants/globex/", {"features": {"beta": True}})
    assert answer.status_code == 200, answer.content
    assert answer.json()["mail"]["host"] == "mail.globex.example"
    assert PASSWORD not in answer.content.decode()
    found = present(globex)
    assert found is not None
    assert found.password == PASSWORD

    answer = operator.patch("operator/tenants/globex/", {"features": {}})
    assert answer.status_code == 200, answer.content


def test_an_archive_holds_secrets_for_whoever_asks_and_knows_the_passphrase(
    console: Console, acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path, settings: Any
) -> None:
    console.declare(globex_with(_MAIL))
    assert console.apply().code == 0
    bare, full = tmp_path / "bare.tar.gz", tmp_path / "full.tar.gz"
    settings.ARCHIVE_PASSPHRASE = ""
    refused = console.run("export", "globex", "-o", str(full), "--with-secrets")
    assert (refused.code, full.exists()) == (1, False)
    assert "ARCHIVE_PASSPHRASE is not set" in refused.err
    settings.ARCHIVE_PASSPHRASE = "a passphrase for the archive"
    assert console.run("export", "globex", "-o", str(bare)).code == 0
    assert console.run("export", "globex", "-o", str(full), "--with-secrets").code == 0
    for path in (bare, full):
        with tarfile.open(path) as tar:
            content = b"".join(tar.extractfile(one).read() for one in tar if one.isfile())  # type: ignore[union-attr]  # a file
        assert PASSWORD.encode() not in content
        assert b"mail.globex.example" in content

    settings.ARCHIVE_PASSPHRASE = "another passphrase altogether"
    refused = restore(console, full, "initech", "--with-secrets")
    assert (refused.code, "do not open" in refused.err) == (1, True)
    assert restored("initech") is None
    refused = restore(console, bare, "initech", "--with-secrets")
    assert (refused.code, "holds no secrets" in refused.err) == (1, True)
    assert restored("initech") is None

    settings.ARCHIVE_PASSPHRASE = "a passphrase for the archive"
    assert restore(console, full, "initech", "--with-secrets").code == 0
    assert "until `mail` is declared again" in restore(console, bare, "hooli").err
    found = restored("initech")
    assert found is not None
    assert (found.server.user, found.password) == ("globex", PASSWORD)
    assert restored("hooli") is None
    assert restored("globex") == found


def restore(console: Console, path: Path, slug: str, *more: str) -> Ended:
    return console.run("restore", str(path), "--as", slug, "--domain", f"{slug}.localhost", *more)


def restored(slug: str) -> Present | None:
    with context.operator():
        found = Tenant.objects.filter(slug=slug).first()
    return configuring.list_present(tenant_ids=[found.id]).get(found.id) if found else None
