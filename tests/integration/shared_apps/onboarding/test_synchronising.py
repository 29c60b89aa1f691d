"""`manage.py tenant sync`, as an operator uses it."""

import json
from pathlib import Path

from shared_apps.accounts.models import Identity
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.directories.people_files import directory_of
from tests.integration.shared_apps.onboarding.console import Console


def test_from_preview_to_undo(acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path) -> None:
    console, directory = Console(tmp_path / "tenants.yaml"), directory_of(acme, tmp_path)
    directory.configure(default_role="viewer")
    directory.account("ada", email="ada@example.org", name="Ada\x1b[31m")

    shown = console.run("sync", "acme", "preview", "--json")

    preview = json.loads(shown.out)
    plan = (preview["id"], "--fingerprint", preview["fingerprint"])
    assert (preview["new_count"], [item["label"] for item in preview["items"]]) == (
        1, ["ada@example.org"]
    )  # fmt: skip
    read = console.run("sync", "acme", "show", preview["id"])
    assert "\x1b" not in read.out
    assert "1 new, 0 modified, 0 gone, of 1 in the directory" in read.out
    other = console.run("sync", "globex", "approve", *plan)
    assert (other.code, other.err) == (1, "There is no such preview.")
    wrong = console.run("sync", "acme", "approve", preview["id"], "--fingerprint", "0" * 64)
    assert (wrong.code, wrong.out) == (1, "")
    early = console.run("sync", "acme", "apply", *plan)
    assert (early.code, early.err) == (
        1, "The preview's state does not allow this. (state: PENDING)"
    )  # fmt: skip
    states = [
        json.loads(console.run("sync", "acme", action, *plan, "--json").out)["state"]
        for action in ("approve", "apply")
    ]
    assert states == ["APPROVED", "APPLIED"]
    with context.operator():
        assert Identity.objects.count() == 1
    assert console.run("sync", "acme", "undo", preview["id"]).code == 0
    assert "APPLIED" in console.run("sync", "acme", "list").out


def test_a_directory_that_cannot_be_read_is_exit_1(acme: TenantIdentity, tmp_path: Path) -> None:
    console, directory = Console(tmp_path / "tenants.yaml"), directory_of(acme, tmp_path)
    directory.configure(default_role="viewer")
    directory.stop()

    failed = console.run("sync", "acme", "preview")

    assert (failed.code, failed.err) == (
        1, "there is no preview: The file cannot be read."
    )  # fmt: skip
