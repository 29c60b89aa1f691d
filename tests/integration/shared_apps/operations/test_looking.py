"""What the doctor finds on the machines: each is broken by hand, and the remedy closes it."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import override_settings

from shared_apps.core import context, doctor
from shared_apps.operations.backup import manifest
from tests.installation import Installation


def findings(check: str) -> list[str]:
    with context.operator():
        return [str(finding) for finding in doctor.examine()[check]]


def certificate(path: Path, *, days: float) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days)).sign(key, hashes.SHA256())
    )  # fmt: skip
    path.write_bytes(path.read_bytes() if path.exists() else b"")
    with path.open("ab") as file:
        file.write(made.public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.mark.parametrize(
    ("days", "problem"),
    [(90, ""), (20, "CN=acme.example ends on"), (-1, "CN=acme.example has ended on")],
)
def test_a_certificate_that_ends_soon(
    system: Installation, tmp_path: Path, days: float, problem: str
) -> None:
    path = certificate(tmp_path / "chain.pem", days=400)
    certificate(tmp_path / "chain.pem", days=days)

    with override_settings(CERTIFICATE_FILES=[path]):
        found = findings("certificates")

    assert len(found) == bool(problem)
    assert all(problem in finding and "renew it" in finding for finding in found)


def test_a_certificate_that_cannot_be_read(system: Installation, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    paths = [str(tmp_path / "none.pem"), str(tmp_path / "empty.pem")]

    with override_settings(CERTIFICATE_FILES=paths):
        found = findings("certificates")

    assert ["cannot be read" in finding for finding in found] == [True, True]


def test_a_disk_that_is_nearly_full(system: Installation, tmp_path: Path) -> None:
    with override_settings(BACKUPS_ROOT=str(tmp_path / "not" / "made"), DISK_LEAST_PERCENT=0):
        assert findings("disks") == []
    with override_settings(DISK_LEAST_PERCENT=100, MEDIA_ROOT="", ARCHIVES_ROOT="", BACKUPS_ROOT=str(tmp_path)):  # fmt: skip
        [found] = findings("disks")
    assert f"BACKUPS_ROOT ({tmp_path})" in found
    assert "make room" in found


def test_backups_that_are_late(system: Installation, backup: Path) -> None:
    def made(hours: float) -> None:
        path = backup / manifest.NAME
        raw = json.loads(path.read_text())
        raw["made_at"] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        path.write_text(json.dumps(raw))

    with override_settings(BACKUPS_ROOT=str(backup.parent)):
        made(25)
        assert findings("backups") == []
        made(30)
        [late] = findings("backups")
        (backup / manifest.NAME).unlink()
        [none] = findings("backups")

    assert "the newest backup is 30 hours old" in late
    assert "There is no whole backup" in none
    assert findings("backups") == []  # of an installation that says nothing of backups


def test_a_process_that_stands_still(system: Installation, tmp_path: Path) -> None:
    for name, age in (("worker", 10), ("relay", 400)):
        (tmp_path / name).write_text("working")
        os.utime(tmp_path / name, (time.time() - age,) * 2)

    with override_settings(HEARTBEAT_DIR=str(tmp_path)):
        [found] = findings("heartbeats")
        (tmp_path / "relay").write_text("waiting for Redis")
        assert findings("heartbeats")[0].startswith("relay: waits for Redis")
        (tmp_path / "relay").write_text("working")
        assert findings("heartbeats") == []

    assert found.startswith("relay: has not worked for 40")


def test_the_clocks_of_one_machine_agree(system: Installation) -> None:
    assert findings("clocks") == []
