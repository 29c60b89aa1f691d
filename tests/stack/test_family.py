"""Forked children of a program die with it."""

import os
import subprocess
import sys
from pathlib import Path

from scripts.stack.paths import ROOT
from tests.stack.processes import assert_none_left, processes_of, wait_until


def test_forked_children_die_with_a_killed_master(place: Path) -> None:
    (place / "master.py").write_text(
        "import os, sys, time\n"
        "if os.fork():\n"
        "    print(*sys.argv[1:], flush=True)\n"
        "time.sleep(1000)\n"
    )
    master = _run(place, "an argument")
    assert master.stdout is not None
    assert master.stdout.readline() == b"an argument\n"
    assert wait_until(lambda: len(processes_of(place)) == 2)

    master.kill()
    master.wait()
    master.stdout.close()

    assert_none_left(place)


def test_child_of_a_passing_thread_outlives_the_thread(place: Path) -> None:
    (place / "master.py").write_text(
        "import os, threading, time\n"
        "def fork():\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(0.5)\n"
        "        open('lived', 'w').close()\n"
        "        os._exit(0)\n"
        "    time.sleep(0.2)\n"
        "thread = threading.Thread(target=fork)\n"
        "thread.start()\n"
        "thread.join()\n"
        "os.wait()\n"
    )
    master = _run(place)

    master.communicate(timeout=20)

    assert (place / "lived").exists()


def _run(place: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.stack.family", "master", *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{place}"},
        stdout=subprocess.PIPE,
    )
