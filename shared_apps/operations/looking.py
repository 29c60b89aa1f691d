"""What the doctor looks for on the machines themselves: what runs out, is late, or stands still."""

import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import psycopg
import redis
from cryptography import x509
from django.conf import settings
from django.utils import timezone

from shared_apps.core import databases, heartbeat
from shared_apps.core.databases import Database
from shared_apps.core.doctor import Finding
from shared_apps.operations.backup import places
from shared_apps.operations.backup.manifest import Manifest
from shared_apps.operations.errors import BackupInvalidError

_STILL_SECONDS: Final = 180  # beat's longest pause is a minute
_CLOCK_SECONDS: Final = 2.0  # tokens allow five


def find_certificates() -> Iterator[Finding]:
    """Of CERTIFICATE_FILES: those that end soon or have ended, every certificate of a chain."""
    now = timezone.now()
    for path in settings.CERTIFICATE_FILES:
        try:
            chain = x509.load_pem_x509_certificates(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it holds no certificate"
            yield Finding(
                path, f"cannot be read: {reason}", "correct CERTIFICATE_FILES or its rights"
            )
            continue
        first = min(chain, key=lambda certificate: certificate.not_valid_after_utc)
        left = first.not_valid_after_utc - now
        if left < settings.CERTIFICATE_LEAST_LIFE:
            name = first.subject.rfc4514_string()
            when = f"{first.not_valid_after_utc:%Y-%m-%d}"
            problem = "has ended on" if left.total_seconds() < 0 else "ends on"
            yield Finding(
                path, f"{name} {problem} {when}", "renew it, then reload nginx (docs/rotation.md)"
            )


def find_full_disks() -> Iterator[Finding]:
    """Where files, archives or backups have nearly no room."""
    for name, path in (
        ("FILES_ROOT", settings.MEDIA_ROOT),
        ("ARCHIVES_ROOT", settings.ARCHIVES_ROOT),
        ("BACKUPS_ROOT", settings.BACKUPS_ROOT),
    ):
        if not path:
            continue
        place = Path(path).absolute()
        usage = shutil.disk_usage(next(p for p in (place, *place.parents) if p.exists()))
        percent = 100 * usage.free // usage.total
        if percent < settings.DISK_LEAST_PERCENT:
            yield Finding(
                f"{name} ({path})",
                f"{percent} % of the disk is free ({usage.free // 1_000_000} MB)",
                "make room, or give it a larger disk",
            )


def find_late_backups() -> Iterator[Finding]:
    """Where backups are kept here: none, or the newest is too old."""
    if not settings.BACKUPS_ROOT:
        return
    place = Path(settings.BACKUPS_ROOT)
    remedy = f"manage.py installation backup {place}, and see why the timer did not"
    try:
        newest = Manifest.read(places.find(place))
    except BackupInvalidError as error:
        yield Finding(str(place), error.text, remedy)
        return
    age = timezone.now() - datetime.fromisoformat(newest.made_at)
    if age > settings.BACKUP_LONGEST_AGE:
        hours = int(age.total_seconds() // 3600)
        yield Finding(str(place), f"the newest backup is {hours} hours old", remedy)


def find_still_processes() -> Iterator[Finding]:
    """Of HEARTBEAT_DIR: who worked once and does not any more."""
    if not settings.HEARTBEAT_DIR:
        return
    for path in sorted(Path(settings.HEARTBEAT_DIR).glob("[!.]*")):
        state = heartbeat.read(settings.HEARTBEAT_DIR, path.name)
        if state is None:
            continue
        if state.age > _STILL_SECONDS:
            yield Finding(
                path.name,
                f"has not worked for {state.age:.0f} s",
                f"see its log and restart it; remove {path} where it is not meant to run",
            )
        elif state.waits_for:
            yield Finding(path.name, f"waits for {state.waits_for}", "it goes on when that is back")


def find_odd_clocks() -> Iterator[Finding]:
    """Servers whose clock is another one than this machine's: tokens, limits and the trail depend on it."""
    for name, ask in (
        ("the application database", _database_clock),
        ("the audit database", _audit_clock),
        ("Redis", _redis_clock),
    ):
        before = time.time()
        theirs = ask()
        after = time.time()
        # Whatever the answer took lies on one side or the other.
        off = max(before - theirs, theirs - after)
        if off > _CLOCK_SECONDS:
            yield Finding(
                name,
                f"its clock and this machine's are {off:.1f} s apart",
                "let both follow the same time servers (chrony)",
            )


def _database_clock() -> float:
    found = settings.DATABASES["default"]
    url = psycopg.conninfo.make_conninfo(
        host=found["HOST"], port=found["PORT"], user=found["USER"], password=found["PASSWORD"],
        dbname=found["NAME"],
    )  # fmt: skip
    return _clock(url, Database.TENANTS)


def _audit_clock() -> float:
    return _clock(settings.AUDIT_READER_DATABASE_URL, Database.AUDIT)


def _clock(url: str, database: Database) -> float:
    with databases.connect(url, database, autocommit=True) as connection:
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float").fetchone()
    assert row is not None
    return float(row[0])


def _redis_clock() -> float:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2
    ) as client:
        seconds, microseconds = client.time()
    return float(seconds + microseconds / 1_000_000)
