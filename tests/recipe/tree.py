"""A copy of the tracked tree, to be changed as a developer would."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scripts.stack.paths import ROOT, VENV


@dataclass(frozen=True)
class Tree:
    path: Path

    @classmethod
    def copy(cls, path: Path) -> Self:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)
        (path / ".venv").symlink_to(VENV)
        return cls(path)

    def run(self, *command: str, timeout: float = 300) -> str:
        """What it says, when it succeeds; nothing of the calling suite's environment."""
        done = subprocess.run(
            command, cwd=self.path, env=_plain_environment(),
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-20_000:]}{done.stderr[-5_000:]}"
        return done.stdout


def _plain_environment() -> dict[str, str]:
    """The suite's servers are not the copy's."""
    return {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
    }
