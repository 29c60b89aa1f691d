"""`audit export` and `audit check-export`: a file proves itself, and shows what was done to it."""

import csv
import gzip
import io
import json
import os
import stat
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from shared_apps.audit.chain import links
from shared_apps.audit.exports import checking
from shared_apps.core.context import TenantIdentity
from tests.chains import ODD_TEXTS, append, audit_administrator, two_chains
from tests.installation import Installation

FORMATS = ("jsonl", "csv", "ocsf")


@pytest.fixture
def chains(system: Installation) -> Iterator[tuple[UUID, UUID]]:
    with two_chains() as tenants:
        yield tenants


def _export(path: Path, *arguments: object) -> dict[str, Any]:
    out = StringIO()
    call_command(
        "audit", "export", *map(str, arguments), "-o", str(path), "--json",
        stdout=out, stderr=StringIO(),
    )  # fmt: skip
    return dict(json.loads(out.getvalue()))


def _problems(path: Path, *expected: str) -> list[str]:
    return [problem.what for problem in checking.check(path, expected=expected).problems]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("compress", [[], ["--gzip"]])
def test_a_file_of_two_chains_proves_itself(
    chains: tuple[UUID, UUID], tmp_path: Path, kind: str, compress: list[str]
) -> None:
    path = tmp_path / "trail"
    one, other = chains

    said = _export(path, "--tenant", one, "--tenant", other, "--format", kind, *compress)

    outcome = checking.check(path)
    assert outcome.problems == []
    assert {
        (c.tenant_id, c.entries, c.first_sequence, c.last_sequence, c.is_whole)
        for c in outcome.chains.values()
    } == {(str(one), 10, 1, 10, True), (str(other), 10, 1, 10, True)}
    assert outcome.chains[str(one)].previous_hash == links.root(one).hex()
    assert said["manifest"]["complete"] is True
    assert said["manifest"]["entries"] == 20
    assert said["bytes"] == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["trail"]


def test_the_last_hash_is_the_one_that_verify_tells(
    chains: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = tmp_path / "trail.jsonl"
    said = _export(path, "--tenant", chains[0])
    out = StringIO()
    call_command(
        "audit", "verify", "--tenant", str(chains[0]), "--json", stdout=out, stderr=StringIO()
    )
    head = json.loads(out.getvalue())["chains"][0]["hash"]

    assert said["manifest"]["chains"][0]["hash"] == head
    assert _problems(path, head) == []
    assert _problems(path, "ab" * 32) == [f"no entry has the hash {'ab' * 32}"]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("change", "entry 5 was changed"),
        ("leave out", "the bytes before the manifest are not those that it names"),
        ("swap", "entry 5 stands after 6"),
        ("cut", "the end is missing: no manifest was found"),
        ("add", "something follows the manifest"),
    ],
)
def test_what_was_done_to_a_file_is_named(
    chains: tuple[UUID, UUID], tmp_path: Path, kind: str, tampering: str, found: str
) -> None:
    path = tmp_path / "trail"
    # A record of several lines would be more than one line of CSV: only the first nine are taken.
    _export(path, "--tenant", chains[0], "--format", kind, "--to", "2026-11-01T08:30:00Z")
    assert _problems(path) == []
    lines = path.read_bytes().splitlines(keepends=True)
    fifth = 5 if kind == "csv" else 4
    match tampering:
        case "change":
            lines[fifth] = lines[fifth].replace(b"xxxxx", b"xxxxy")
        case "leave out":
            del lines[fifth]
        case "swap":
            lines[fifth : fifth + 2] = lines[fifth + 1], lines[fifth]
        case "cut":
            del lines[-1]
        case "add":
            lines.append(lines[fifth])
    path.write_bytes(b"".join(lines))

    assert found in _problems(path)
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "check-export", str(path), stdout=StringIO())
    assert ended.value.code == 1


def test_a_selection_is_proven_entry_by_entry(chains: tuple[UUID, UUID], tmp_path: Path) -> None:
    path = tmp_path / "selection.jsonl"
    said = _export(path, "--tenant", chains[0], "--operation", "update")

    (stretch,) = checking.check(path).chains.values()

    assert (stretch.entries, stretch.first_sequence, stretch.last_sequence) == (5, 2, 10)
    assert stretch.is_whole is False
    assert said["manifest"]["filters"] == {"operation": "UPDATE"}
    text = path.read_text().replace("1:x", "1:y")
    path.write_text(text)
    assert _problems(path)[0] == "entry 8 was changed"


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (["--record", "="], []),
        (["--record", "=1+1"], [9]),
        (["--from", "2026-11-01T08:00:00+00:00", "--to", "2026-11-01T09:00:00.123456Z"], [9]),
        (["--entity", "invoicing.invoice"], []),
        (["--user", "system:test", "--after", "8"], [9, 10]),
        (["--user", "nobody@nowhere.example"], []),
        (["--request-id", "none"], []),
    ],
)
def test_filters_select(
    chains: tuple[UUID, UUID], tmp_path: Path, arguments: list[str], numbers: list[int]
) -> None:
    path = tmp_path / "trail.jsonl"

    _export(path, "--tenant", chains[0], *arguments)

    *entries, _ = map(json.loads, path.read_text().split("\n")[:-1])
    assert [entry["sequence"] for entry in entries] == numbers
    assert _problems(path) == []


def test_the_stored_texts_come_through_to_the_byte(
    chains: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = tmp_path / "trail.jsonl"
    _export(path, "--tenant", chains[0])

    *entries, _ = map(json.loads, path.read_text().split("\n")[:-1])

    assert [entry["record_id"] for entry in entries] == list(ODD_TEXTS)
    assert entries[0]["new_values"] == '{"name": "\\u00e4\\u2028", "n": 1.5, "filling": ""} '
    assert entries[0]["created_at"] == "2026-11-01T00:00:00.123456Z"
    assert entries[0]["old_values"] is None


def test_no_cell_of_csv_is_a_formula_and_all_can_be_read_back(
    chains: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = tmp_path / "trail.csv"
    _export(path, "--tenant", chains[0], "--format", "csv")

    head, *rows, manifest = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))

    records = [dict(zip(head, row, strict=True))["record_id"] for row in rows]
    assert records[1] == ""
    assert (records[3], records[6], records[8]) == ("'", "'-", "'=1+1")
    assert not [cell for row in rows for cell in row if cell[:1] in "=+-@\t\r\n" and cell]
    assert manifest[0] == "manifest"


def test_an_ocsf_file_has_events_of_entity_management(
    chains: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = tmp_path / "trail.jsonl"
    _export(path, "--tenant", chains[0], "--format", "ocsf")

    first, *_, end = map(json.loads, path.read_text().split("\n")[:-1])

    assert (first["class_uid"], first["activity_id"], first["type_uid"]) == (3004, 1, 300401)
    assert first["metadata"]["version"] == "1.6.0"
    assert first["metadata"]["tenant_uid"] == str(chains[0])
    assert first["actor"] == {"app_name": "test"}
    assert first["entity_result"]["data"] == {"name": "ä\u2028", "n": "1.5", "filling": ""}
    assert (end["class_uid"], end["type_uid"]) == (0, 99)


def test_nothing_is_overwritten(chains: tuple[UUID, UUID], tmp_path: Path) -> None:
    path = tmp_path / "trail.jsonl"
    path.write_text("kept")

    with pytest.raises(CommandError, match="exists already"):
        _export(path, "--tenant", chains[0])

    assert path.read_text() == "kept"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tenant", "nobody"],
        ["--tenant", "00000000-0000-0000-0000-00000000000f"],
        ["--tenant", "acme", "--tenant", "globex", "--after", "3"],
        ["--tenant", "acme", "--from", "yesterday"],
        ["--tenant", "acme", "--format", "xml"],
        ["--tenant", "acme", "--all"],
        [],
    ],
)
def test_what_is_wrong_leaves_no_file(
    system: Installation, acme: TenantIdentity, tmp_path: Path, arguments: list[str]
) -> None:
    with pytest.raises(CommandError):
        _export(tmp_path / "trail.jsonl", *arguments)

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{}\n", b"\xff\xfe", b"PK\x03\x04", b"\x1f\x8b\x08"]
)
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises((CommandError, SystemExit)):
        call_command("audit", "check-export", str(path), stdout=StringIO())


def test_a_cut_archive_is_refused(chains: tuple[UUID, UUID], tmp_path: Path) -> None:
    path = tmp_path / "trail.gz"
    _export(path, "--tenant", chains[0], "--gzip")
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(CommandError, match="cannot be read"):
        call_command("audit", "check-export", str(path), stdout=StringIO())


def test_an_entry_that_was_changed_in_the_database_is_named(
    chains: tuple[UUID, UUID], tmp_path: Path
) -> None:
    with audit_administrator() as admin:
        admin.execute(
            "UPDATE audit.entry SET new_values = '{}' WHERE tenant_id = %s AND sequence = 5",
            [chains[0]],
        )
    path = tmp_path / "trail.jsonl.gz"

    _export(path, "--tenant", chains[0], "--gzip")

    assert _problems(path) == ["entry 5 was changed"]
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 11


def test_the_beginning_was_taken_by_retention(chains: tuple[UUID, UUID], tmp_path: Path) -> None:
    with audit_administrator() as admin:
        admin.execute("DELETE FROM audit.entry WHERE tenant_id = %s AND sequence < 4", [chains[0]])
    path = tmp_path / "trail.jsonl"

    _export(path, "--tenant", chains[0])

    (stretch,) = checking.check(path).chains.values()
    assert (stretch.first_sequence, stretch.previous_hash, stretch.is_whole) == (4, None, True)
    assert _problems(path) == []


def test_many_pages_of_large_values(system: Installation, tmp_path: Path) -> None:
    """Two pages by their bytes, more by their number."""
    with two_chains() as (one, other):
        append(one, ["large"] * 12, filling=[os.urandom(400_000).hex() for _ in range(12)])
        append(other, ["small"] * 2100)
        path = tmp_path / "trail.jsonl"

        said = _export(path, "--tenant", one, "--tenant", other)

        assert said["manifest"]["entries"] == 2132
        assert _problems(path) == []
