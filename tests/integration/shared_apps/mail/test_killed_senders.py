"""Processes that send, killed at any moment.

FREEHOLD_TEST_MAILS=2000 posts so many; 200 without it.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.mail import claiming
from shared_apps.mail.models import OutgoingMail
from tests.integration.shared_apps.mail.posting import deliver, post
from tests.mailbox import Mailbox
from tests.waiting import wait_until

MAILS = int(os.environ.get("FREEHOLD_TEST_MAILS", "200"))
PROCESSES, KILLS = 8, 4


@dataclass
class Senders:
    mailbox: Mailbox
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, count: int = 1) -> None:
        environment = {**os.environ, "EMAIL_URL": self.mailbox.url, "PYTHONPATH": "."}
        command = [sys.executable, "-m", "tests.sending"]
        self.running += [subprocess.Popen(command, env=environment) for _ in range(count)]

    def kill_one(self) -> None:
        victim = self.running.pop(0)
        victim.kill()
        victim.wait()

    def end(self) -> set[int]:
        return {sender.wait(timeout=300) for sender in self.running}


@pytest.fixture
def senders(mailbox: Mailbox) -> Iterator[Senders]:
    senders = Senders(mailbox)
    yield senders
    while senders.running:
        senders.kill_one()


def _post(acme: TenantIdentity, globex: TenantIdentity) -> set[str]:
    """Nearly all of them acme's."""
    at = timezone.now()
    tenants = [globex if number % 10 == 0 else acme for number in range(MAILS)]
    return {
        post(tenant, f"{number}@{tenant.slug}.example", at=at).message_id
        for number, tenant in enumerate(tenants)
    }


def _ids(mailbox: Mailbox) -> Counter[str]:
    return Counter(mail["Message-ID"] for mail in mailbox.mails)


def test_eight_processes_send_each_mail_once(
    acme: TenantIdentity, globex: TenantIdentity, mailbox: Mailbox, senders: Senders
) -> None:
    posted = _post(acme, globex)

    senders.start(PROCESSES)

    assert senders.end() == {0}
    assert _ids(mailbox) == Counter(posted)


def test_killed_at_any_moment_they_lose_none(
    acme: TenantIdentity, globex: TenantIdentity, mailbox: Mailbox, senders: Senders
) -> None:
    posted = _post(acme, globex)
    senders.start(PROCESSES // 2)
    chance = random.Random(4)
    for number in range(KILLS):
        # Early enough for those that are left: each of the dead holds a batch until its lease is over.
        share = MAILS * (number + 1) // (4 * KILLS)
        wait_until(lambda share=share: len(mailbox.mails) >= share, "mails are sent", timeout=120)
        time.sleep(chance.random() / 50)
        senders.kill_one()
        senders.start()
    assert senders.end() == {0}

    # What the dead had taken is taken over when their leases have run out.
    deliver(timezone.now() + claiming.LEASE + timedelta(seconds=1))

    taken = _ids(mailbox)
    assert set(taken) == posted
    # At most the one mail that each of the dead had just handed over comes again.
    assert sum(taken.values()) - len(taken) <= KILLS
    with context.operator():
        assert set(OutgoingMail.objects.values_list("state", flat=True)) == {"SENT"}
