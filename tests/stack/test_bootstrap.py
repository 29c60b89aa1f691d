"""The virtual environment: made, kept, made anew, refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.stack import bootstrap, entry
from scripts.stack.errors import StackError
from scripts.stack.paths import ROOT
from tests.stack.processes import exit_code, fork, wait_until

_UNKNOWN = "no-such-distribution==1.0 --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def root(place: Path) -> Path:
    """A clone that needs nothing installed, so that no index is asked."""
    (place / "requirements").mkdir()
    for name in ("base", "local"):
        (place / "requirements" / f"{name}.txt").write_text(f"# {name}: nothing\n")
    return place


def test_environment_is_made_once(root: Path) -> None:
    python = bootstrap.ensure_environment("base", root=root)
    version = subprocess.check_output(
        [python, "-c", "import pip, sys; print(sys.prefix)"], text=True
    )
    stamp = root / ".venv" / "stamp.json"
    first = stamp.stat().st_mtime_ns

    bootstrap.ensure_environment("base", root=root)

    assert version.strip() == str(root / ".venv")
    assert stamp.stat().st_mtime_ns == first


def test_local_satisfies_base_and_survives_a_new_lock(root: Path) -> None:
    bootstrap.ensure_environment("local", root=root)
    (root / "requirements" / "base.txt").write_text("# changed\n")

    bootstrap.ensure_environment("base", root=root)

    stamp = json.loads((root / ".venv" / "stamp.json").read_text())
    assert stamp["local"] is not None


def test_interrupted_environment_is_made_anew(root: Path) -> None:
    child = fork(lambda: str(bootstrap.ensure_environment("base", root=root)) and None)
    assert wait_until((root / ".venv" / "bin").exists)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (root / ".venv" / "half").mkdir()

    python = bootstrap.ensure_environment("base", root=root)

    assert subprocess.call([python, "-c", "import pip"]) == 0
    assert not (root / ".venv" / "half").exists()


def test_environment_of_another_python_is_made_anew(root: Path) -> None:
    bootstrap.ensure_environment("base", root=root)
    stamp = root / ".venv" / "stamp.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "3.10"}))

    bootstrap.ensure_environment("base", root=root)

    assert json.loads(stamp.read_text())["python"] == f"3.{sys.version_info.minor}"


def test_environment_in_use_is_not_made_anew(root: Path) -> None:
    bootstrap.ensure_environment("base", root=root)

    def use() -> None:
        bootstrap.hold_in_use(root / ".venv")
        (root / "used").touch()
        time.sleep(60)

    user = fork(use)
    assert wait_until((root / "used").exists)
    stamp = root / ".venv" / "stamp.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "3.10"}))

    with pytest.raises(StackError, match="is in use"):
        bootstrap.ensure_environment("base", root=root)

    os.kill(user, signal.SIGKILL)
    os.waitpid(user, 0)
    assert (root / ".venv" / "bin" / "python").exists()


def test_a_program_keeps_the_environment_that_it_runs_on(root: Path) -> None:
    python = bootstrap.ensure_environment("base", root=root)
    wait = ["-c", "import sys; print(flush=True); sys.stdin.read()"]
    (reader, output), (given, writer) = os.pipe(), os.pipe()

    def become() -> None:
        os.dup2(given, 0)
        os.dup2(output, 1)
        os.close(writer)
        entry.become(python, wait, env=os.environ)

    child = fork(become)
    assert os.read(reader, 1) == b"\n"
    stamp = root / ".venv" / "stamp.json"
    stamp.write_text(stamp.read_text().replace('"python": "3', '"python": "2'))

    with pytest.raises(StackError, match="is in use"):
        bootstrap.ensure_environment("base", root=root)

    for descriptor in (reader, output, given, writer):
        os.close(descriptor)
    assert exit_code(child) == 0
    bootstrap.ensure_environment("base", root=root)


def test_two_at_once_make_one(root: Path) -> None:
    announced = root / "announced"

    def make() -> None:
        bootstrap.ensure_environment(
            "base", root=root, announce=lambda text: announced.open("a").write("x") and None
        )

    children = [fork(make) for _ in range(2)]

    assert [exit_code(child) for child in children] == [0, 0]
    assert announced.read_text() == "x"


def test_somebody_elses_environment_is_left_alone(root: Path) -> None:
    (root / ".venv").mkdir()
    (root / ".venv" / "mine").touch()

    with pytest.raises(StackError, match="not made by these scripts"):
        bootstrap.ensure_environment("base", root=root)

    assert [entry.name for entry in (root / ".venv").iterdir()] == ["mine"]


def test_an_environment_is_not_changed_through_a_link(root: Path, place: Path) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "made-by-freehold").touch()
    (elsewhere / "theirs").touch()
    (root / ".venv").symlink_to(elsewhere)

    with pytest.raises(StackError, match="is a link to an environment"):
        bootstrap.ensure_environment("base", root=root)

    assert {entry.name for entry in elsewhere.iterdir()} == {"made-by-freehold", "theirs"}


def test_unreachable_index_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "requirements" / "base.txt").write_text(_UNKNOWN)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "1")

    with pytest.raises(StackError) as raised:
        bootstrap.ensure_environment("base", root=root)

    assert "the package index cannot be reached" in raised.value.message
    assert "\n" not in raised.value.message


@pytest.mark.parametrize("script", ["quickstart", "manage", "test", "check", "bench"])
def test_help_needs_nothing(place: Path, script: str) -> None:
    copy = place / "bare clone" / "scripts"
    copy.parent.mkdir()
    # What runs is said in config/programs.py, which needs nothing either.
    subprocess.check_call(["cp", "-r", ROOT / "scripts", ROOT / "config", copy.parent])

    output = subprocess.check_output([copy / script, "--help"], cwd="/", text=True)

    assert "usage:" in output
    assert not (copy.parent / ".venv").exists()
