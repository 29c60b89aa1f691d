"""What can be said of the roles without a host."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import programs

pytestmark = pytest.mark.quick_deploy

_ANSIBLE = Path(__file__).resolve().parents[3] / "ansible"
_ROLES = sorted(path for path in (_ANSIBLE / "roles").iterdir() if path.is_dir())


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize("role", _ROLES, ids=lambda role: role.name)
def test_every_default_is_specified_with_a_type(role: Path) -> None:
    defaults = _read(role / "defaults" / "main.yml") or {}

    options = _read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]

    assert set(options) == set(defaults)
    assert all({"type", "description"} <= set(option) for option in options.values())
    assert all(name.startswith(f"{role.name}_") for name in defaults)


@pytest.mark.parametrize("role", _ROLES, ids=lambda role: role.name)
def test_every_default_has_an_effect(role: Path) -> None:
    defaults = _read(role / "defaults" / "main.yml") or {}
    used = "".join(
        path.read_text()
        for path in [*_ANSIBLE.rglob("*.yml"), *_ANSIBLE.rglob("*.j2")]
        if path.name != "argument_specs.yml" and path != role / "defaults" / "main.yml"
    )
    used += "".join(str(value) for value in defaults.values())

    assert [name for name in defaults if not re.search(rf"\b{name}\b", used)] == []


def test_no_process_has_a_secret_that_the_other_installations_withhold_from_it() -> None:
    text = (_ANSIBLE / "roles" / "application" / "vars" / "main.yml").read_text()
    found = _read(_ANSIBLE / "roles" / "application" / "vars" / "main.yml")
    serving = set(found["__application_serving"])
    relaying = serving | set(re.findall(r"'([A-Z_]+)'", found["__application_relaying"]))
    provisioning = relaying | set(re.findall(r"'([A-Z_]+)'", found["__application_provisioning"]))

    for program, has in (
        *(("web", serving), ("worker", serving), ("beat", serving)),
        *(("relay", relaying), ("provisioner", provisioning)),
    ):
        assert has & programs.WITHHELD[program] == set(), program
    # The superusers' URLs are in no file of a host.
    assert re.findall(r"\b(?:AUDIT_)?ADMIN_DATABASE_URL\b", text) == []


def test_what_has_a_secret_shows_no_result() -> None:
    secret = re.compile(r"__installation_(passwords|admin|audit_admin|superusers|secrets)|\.key\b")
    for path in sorted(_ANSIBLE.rglob("tasks/*.yml")):
        for task in _tasks(_read(path)):
            if secret.search(yaml.safe_dump({k: v for k, v in task.items() if k != "block"})):
                shown = task.get("no_log") == "{{ installation_no_log }}"
                assert shown or _is_no_result(task), f"{path.name}: {task['name']}"


def _tasks(found: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for task in found or []:
        listed += [task, *_tasks(task.get("block"))]
    return listed


def _is_no_result(task: dict[str, Any]) -> bool:
    """Keys are made on the controller by openssl, whose output has none; included roles hide their own."""
    return task.get("delegate_to") == "localhost" or "ansible.builtin.include_role" in task


def test_the_release_is_the_same_bytes_each_time_and_has_no_tests(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        command = [sys.executable, str(_ANSIBLE / "bundle"), str(tmp_path / name), "--release-only"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = (tmp_path / name).glob("freehold-*.tar.gz")
        made.append(archive)

    with tarfile.open(made[0]) as archive:
        parts = {name.split("/")[1] for name in archive.getnames()}

    assert made[0].read_bytes() == made[1].read_bytes()
    assert {"config", "manage.py", "shared_apps", "tenant_apps"} <= parts
    assert {"tests", "scripts"} & parts == set()
