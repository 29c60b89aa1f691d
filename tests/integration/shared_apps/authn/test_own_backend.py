"""A customer's own backend, installed as a package, keeps what every backend promises."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from uuid import uuid4

import people_file
import pytest
from people_file import PeopleFile, PeopleFileBackend

from shared_apps.authn.backends import registry
from shared_apps.authn.checks import errors_of
from tests.directories.contract import (
    Account,
    ChangeContract,
    DirectoryBed,
    DirectoryContract,
    State,
)


class PeopleFileBed(DirectoryBed):
    def __init__(self, path: Path) -> None:
        self._file = PeopleFile(path)
        super().__init__(
            good=self.make_account(),
            other=self.make_account(),
            states={state: self.make_account(state) for state in State},
            kind=PeopleFileBackend,
            options={"path": str(path)},
            secrets={"file_key": "the key of the file"},
        )

    def make_account(self, state: str = "") -> Account:
        name = uuid4().hex
        made = people_file.Account(
            id=str(uuid4()), username=name, password=f"Password of {name}", state=state,
            email=f"{name}@people.example", name="Somebody", groups=("CN=Staff,DC=example",),
        )  # fmt: skip
        self._file.put(made)
        return Account(made.username, made.password)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self._file.path.with_suffix(".away")
        self._file.path.rename(away)
        yield
        away.rename(self._file.path)


class TestPeopleFile(ChangeContract, DirectoryContract):
    @pytest.fixture
    def bed(self, tmp_path: Path) -> DirectoryBed:
        return PeopleFileBed(tmp_path / "people.json")


def test_a_broken_one_is_named() -> None:
    found = registry.read(
        EntryPoint(name, value, registry.GROUP)
        for name, value in {
            "missing": "people_file_missing:Nothing",
            "no_backend": "people_file:Account",
            "another_name": "people_file:PeopleFileBackend",
            "openldap": "people_file:PeopleFileBackend",
            "people_file": "people_file:PeopleFileBackend",
        }.items()
    )

    assert {broken.name: broken.reason for broken in found.broken} == {
        "missing": "it cannot be loaded: ModuleNotFoundError",
        "no_backend": "it is no class that derives from AuthBackend",
        "another_name": "its class has another name than its entry point",
        "openldap": "a backend of this name is there already",
    }
    assert found.classes["people_file"] is PeopleFileBackend
    assert not {"missing", "no_backend", "another_name"} & {*found.kinds, *found.classes}
    assert [error.id for error in errors_of(found)] == ["authn.E001"] * 4
    assert "another_name" in errors_of(found)[2].msg


def test_an_installed_one_is_found() -> None:
    assert registry.found().classes["people_file"] is PeopleFileBackend
    assert registry.found().broken == ()
