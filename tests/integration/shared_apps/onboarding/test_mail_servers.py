"""A tenant's own mail server, declared in tenants.yaml."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared_apps.core.context import TenantIdentity
from shared_apps.mail import configuring
from shared_apps.mail.configuring import Present
from tests.client import Api
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
        "mail.host", "mail.port", "mail.security", "mail.sender", "mail.user",
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


def test_the_archive_does_not_hold_it(
    console: Console, globex: TenantIdentity, acme: TenantIdentity, tmp_path: Path
) -> None:
    console.declare(globex_with(_MAIL))
    assert console.apply().code == 0
    path = tmp_path / "globex.tar.gz"

    assert console.run("export", "globex", "-o", str(path)).code == 0
    restored = console.run("restore", str(path), "--as", "initech", "--domain", "initech.localhost")

    assert restored.code == 0, restored.err
    assert PASSWORD.encode() not in path.read_bytes()
