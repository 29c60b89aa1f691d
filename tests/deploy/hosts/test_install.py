"""From two bare hosts without a network to a signed-in tenant over TLS; and again, with nothing to do."""

from pathlib import Path

import pytest

from tests.deploy.hosts.hosts import PUBLIC_HOST, Laboratory

TENANTS = """
apiVersion: freehold/v1
tenants:
  - slug: acme
    name: Acme GmbH
    domains: [acme.example]
    admins: [admin@acme.example]
    auth: {backend: database, secrets: {admin_password: {file: acme-password}}}
  - slug: globex
    name: Globex AG
    domains: [globex.example]
    admins: [admin@globex.example]
    auth: {backend: database, secrets: {admin_password: {file: globex-password}}}
"""
GROUPS = {
    "freehold_application": ["app"],
    "freehold_proxy": ["app"],
    "freehold_database": ["db"],
    "freehold_redis": ["db"],
}


@pytest.fixture(scope="module")
def inventory(laboratory: Laboratory) -> dict[str, object]:
    laboratory.add("app", aliases=(PUBLIC_HOST,))
    laboratory.add("db")
    return laboratory.inventory(
        GROUPS,
        installation_bundle=str(laboratory.bundle()),
        nginx_certificate_hosts=["acme.example", "globex.example"],
    )


def test_two_bare_hosts_become_an_installation(
    laboratory: Laboratory, inventory: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "tenants.yaml").write_text(TENANTS)
    (tmp_path / "acme-password").write_text("a long password of acme")
    (tmp_path / "globex-password").write_text("a long password of globex")

    looked = laboratory.play("install", "--check", inventory=inventory)
    assert looked.failed == {"app": 0, "db": 0}, looked.output[-3000:]
    assert laboratory.on("app", "ls -d /opt/freehold /etc/freehold 2>/dev/null; true") == ""

    installed = laboratory.play("install", inventory=inventory)
    assert installed.failed == {"app": 0, "db": 0}, installed.output[-3000:]

    onboarded = laboratory.play(
        "onboard", "-e", f"onboard_tenants={tmp_path / 'tenants.yaml'}", inventory=inventory
    )
    assert onboarded.code == 0, onboarded.output[-3000:]
    assert onboarded.output.count("ok: the first administrator can sign in") == 2

    again = laboratory.play("install", inventory=inventory)
    assert again.changed == {"app": 0, "db": 0}, again.output[-3000:]

    state = laboratory.directory / "state" / "secrets"
    secrets = [file.read_text().strip() for file in state.iterdir()]
    said = looked.output + installed.output + onboarded.output + again.output
    assert [secret for secret in secrets if secret in said] == []

    readable = "su -s /bin/sh {} -c 'cat /etc/freehold/secrets/{}/* 2>/dev/null' | wc -c"
    logins = ("freehold", "freehold-relay", "freehold-provisioner", "freehold-commands")
    for login in logins:
        others = [other for other in logins if other != login]
        assert laboratory.on("app", readable.format(login, login)).strip() != "0"
        for other in others:
            assert laboratory.on("app", readable.format(login, other)).strip() == "0"
