"""Tasks are found by name, by whichever thread asks first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import transaction
from kombu.exceptions import EncodeError

from shared_apps.core import context
from shared_apps.core.queue import enqueue, hint
from tests.installation import Installation

ROOT = Path(__file__).resolve().parents[4]

_AT_ONCE = """
import threading
import django
django.setup()
from django.db import connection, transaction
from shared_apps.core import attribution, context
from shared_apps.core.queue import enqueue

together, failed = threading.Barrier(8), []

def ask():
    together.wait()
    try:
        with context.operator(), attribution.acting(attribution.command("test")), transaction.atomic():
            enqueue("onboarding.purge_tenants")
            transaction.set_rollback(True)
    except BaseException as error:
        failed.append(repr(error))
    finally:
        connection.close()

threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(failed)
"""


def test_the_first_tasks_of_a_process_are_found_by_all_who_ask_at_once(
    system: Installation,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _AT_ONCE],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (0, "[]\n"), ended.stderr


def test_a_hint_that_cannot_be_sent_fails_nobody(
    system: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    with context.operator():
        with transaction.atomic():
            hint("mail.deliver_due", unsendable=object())
        with pytest.raises(EncodeError), transaction.atomic():
            enqueue("mail.deliver_due", unsendable=object())

    assert caplog.text.count("Error calling") == 1
