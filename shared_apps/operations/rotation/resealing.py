"""Everything that the installation keeps sealed, sealed with the first keys."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared_apps.audit import backlog
from shared_apps.audit.sealing.rewrapping import Report, rewrap
from shared_apps.authn import configuring as sign_in
from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.required import required
from shared_apps.mail import configuring as mail_servers
from shared_apps.mail import services as mail


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many were sealed with another key before."""

    sign_ins: int
    mail_servers: int
    mails: int
    people_of_the_trail: int


def reseal(report: Report) -> Resealed:
    """Safe to stop and to begin again; a second time there is nothing to do.

    Raises:
        SealBrokenError, SealingKeyError: something does not open; what came before is done.
        SettingMissingError: this process was not given RELAY_DATABASE_URL, which tells what waits.
    """
    url = required("RELAY_DATABASE_URL")
    now = datetime.now(UTC)
    with databases.connect(url, Database.TENANTS, autocommit=True) as source:
        waiting = backlog.measure(source, now=now)
    oldest = now - timedelta(seconds=waiting[0].oldest_seconds) if waiting else None
    return Resealed(
        sign_ins=sign_in.rewrap_secrets(),
        mail_servers=mail_servers.rewrap_passwords(),
        mails=mail.reseal_texts(),
        people_of_the_trail=rewrap(oldest_waiting=oldest, report=report).keys,
    )
