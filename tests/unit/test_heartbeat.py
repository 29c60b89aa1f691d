"""What a probe is told."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.stack.paths import ROOT
from shared_apps.core.heartbeat import Heartbeat


def _ask(directory: Path | str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "config.heartbeat", *arguments],
        cwd=ROOT, env={"HEARTBEAT_DIR": str(directory), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout or done.stderr).strip()


def _age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_it_works_waits_and_is_silent(tmp_path: Path) -> None:
    heartbeat = Heartbeat(str(tmp_path / "made"), "worker")

    assert _ask(tmp_path / "made", "worker") == (1, "worker has not said anything yet")
    heartbeat.works()
    assert _ask(tmp_path / "made", "worker", "--working") == (0, "worker works")
    heartbeat.waits("the broker")
    assert _ask(tmp_path / "made", "worker") == (0, "worker waits for the broker")
    assert _ask(tmp_path / "made", "worker", "--working")[0] == 1
    _age(tmp_path / "made/worker", 100)
    assert _ask(tmp_path / "made", "worker", "--seconds", "99") == (
        1,
        "worker has been silent for 100 s",
    )
    assert _ask(tmp_path / "made", "worker", "--seconds", "200")[0] == 0


def test_the_heartbeat_of_a_process_before_is_not_taken_for_ours(tmp_path: Path) -> None:
    Heartbeat(str(tmp_path), "relay").works()

    Heartbeat(str(tmp_path), "relay")

    assert _ask(tmp_path, "relay")[0] == 1


def test_without_a_directory_nothing_is_written_and_the_probe_says_so() -> None:
    Heartbeat("", "relay").works()

    assert _ask("", "relay") == (1, "HEARTBEAT_DIR is not set")


@pytest.mark.parametrize("text", ["working", "waiting for the broker"])
def test_a_disk_that_is_full_ends_nobody(tmp_path: Path, text: str) -> None:
    heartbeat = Heartbeat(str(tmp_path / "gone"), "beat")
    (tmp_path / "gone").rmdir()

    heartbeat.works() if text == "working" else heartbeat.waits("the broker")

    assert _ask(tmp_path / "gone", "beat")[0] == 1
