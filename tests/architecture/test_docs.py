"""What the documentation names exists, and what exists is named."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# A path in backticks that begins with one of the tree's folders, perhaps with a test's name.
PATH = re.compile(
    r"`((?:config|docs|requirements|scripts|shared_apps|tenant_apps|tests)/[\w./-]*)(?:::(\w+))?[^`]*`"
)
# What whoever follows docs/how-to/add-an-app.md makes.
MADE = "tenant_apps/devices"
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
VARIABLE = re.compile(r"env\.\w+\(\s*\"([A-Z_]+)\"")


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_what_exists(page: Path) -> None:
    text = page.read_text()

    missing = [
        name
        for name, test in PATH.findall(text)
        if not name.startswith(MADE) and not _is_there(name, test)
    ]
    missing += [link for link in LINK.findall(text) if not (page.parent / link).exists()]

    assert missing == []


def _is_there(name: str, test: str) -> bool:
    path = ROOT / name
    return path.exists() and (not test or f"def {test}(" in path.read_text())


def test_each_variable_is_in_the_table_of_the_start_page() -> None:
    read = {
        name
        for file in (ROOT / "config").rglob("*.py")
        for name in VARIABLE.findall(file.read_text())
    }
    documented = (ROOT / "docs/start.md").read_text()

    assert len(read) > 15
    assert {name for name in read if f"`{name}`" not in documented} == set()


def test_the_readme_is_short_and_its_commands_exist() -> None:
    readme = (ROOT / "README.md").read_text()

    assert len(readme.splitlines()) < 120
    for command in set(re.findall(r"scripts/[a-z]+", readme)) - {"scripts/stack"}:
        shown = subprocess.run(
            [ROOT / command, "--help"], capture_output=True, text=True, timeout=60
        )
        assert (shown.returncode, bool(shown.stdout)) == (0, True), command


def test_the_changelog_begins_with_the_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert version is not None
    assert newest is not None
    assert newest[1] == version[1]
