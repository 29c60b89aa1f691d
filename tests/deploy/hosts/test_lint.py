"""The playbooks and roles at ansible-lint's strictest profile, and as a collection that can be built.

`requirements/ansible.txt` is what both programs are installed from, in an environment of their own
(`ANSIBLE_BIN`, else PATH): the product's and the tests' hold other versions of what they need.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.deploy.hosts.hosts import ansible_path

_ANSIBLE = Path(__file__).resolve().parents[3] / "ansible"


def _run(directory: Path, *command: str, home: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0], path=ansible_path())
    if program is None:
        reason = f"there is no {command[0]}: ANSIBLE_BIN, requirements/ansible.txt"
        if os.environ.get("FREEHOLD_REQUIRE_ANSIBLE"):
            pytest.fail(reason)
        pytest.skip(reason)
    return subprocess.run(
        [program, *command[1:]],
        cwd=directory,
        env={**os.environ, "PATH": ansible_path(), "HOME": str(home), "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_nothing_is_found_at_the_strictest_profile(tmp_path: Path) -> None:
    # A copy: the linter keeps a cache beside what it looks at.
    copy = shutil.copytree(_ANSIBLE, tmp_path / "ansible")

    linted = _run(copy, "ansible-lint", "--strict", "--profile", "production", home=tmp_path)

    assert linted.returncode == 0, linted.stdout[-4000:]
    assert "Passed: 0 failure(s), 0 warning(s)" in linted.stdout


def test_the_collection_has_every_role_and_playbook(tmp_path: Path) -> None:
    built = _run(
        _ANSIBLE,
        *("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path)),
        home=tmp_path,
    )
    assert built.returncode == 0, built.stdout[-4000:]

    (archive,) = tmp_path.glob("freehold-freehold-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = set(opened.getnames())

    ours = [*_ANSIBLE.glob("playbooks/*.yml"), *_ANSIBLE.glob("roles/*/*/*.yml")]
    assert {str(file.relative_to(_ANSIBLE)) for file in ours} <= names
    assert not [name for name in names if "state" in name.split("/")]
