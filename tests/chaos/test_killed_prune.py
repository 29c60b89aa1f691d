"""`audit prune` killed at any statement: the trails verify, and the next run ends what was begun."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.installation import Installation
from tests.integration.shared_apps.audit.old_trails import OldTrails, old_trails
from tests.relaying import running_relay

DOOMED = Path(__file__).with_name("doomed_prune.py")
# How many of the moments are tried; all of them: FREEHOLD_TEST_MOMENTS=100000.
_MOMENTS = int(os.environ.get("FREEHOLD_TEST_MOMENTS", "4"))


def test_it_dies_at_a_statement(system: Installation, tmp_path: Path) -> None:
    with (
        running_relay(),
        subprocess.Popen(
            [sys.executable, DOOMED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        moments = _attempt(process, tmp_path / "whole", last=0)
        assert moments > 8
        for moment in sorted({*range(1, moments, -(-moments // _MOMENTS)), moments}):
            _attempt(process, tmp_path / str(moment), last=moment)
        assert process.stdin is not None
        process.stdin.close()


def _attempt(process: "subprocess.Popen[str]", directory: Path, *, last: int) -> int:
    """Trails of its own, pruned until the moment `last`, and then again to the end; returns the moments."""
    directory.mkdir()
    with old_trails(directory) as trails:
        code, moments = _prune(process, trails, last)
        # How often it looks for what the relay moves is not the same each time.
        assert code in ((0,) if last == 0 else (0, -signal.SIGKILL)), (last, code)
        assert trails.problems() == [], last
        trails.append(trails.now, 1)
        trails.anchor()
        assert trails.problems() == [], last

        code, _ = _prune(process, trails, 0)

        assert code == 0
        assert trails.numbers(trails.chains.one)[:3] == [10, 11, 12]
        assert trails.numbers(trails.chains.other)[:3] == [10, 11, 12]
        assert trails.problems() == [], last
    return moments


def _prune(process: "subprocess.Popen[str]", trails: OldTrails, last: int) -> tuple[int, int]:
    assert process.stdin is not None
    assert process.stdout is not None
    arguments = [*trails.arguments(), "--older-than", "5y", "--yes"]
    process.stdin.write(json.dumps([last, *arguments]) + "\n")
    process.stdin.flush()
    code, moments = process.stdout.readline().split()
    return int(code), int(moments)
