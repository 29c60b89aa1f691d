"""Whether an exported file holds what the audit database held: no database is asked.

Every entry's hash is computed from its own values and the hash of the entry before. That shows what was
changed, left out or moved since the export by anybody who did not compute all hashes anew; against that
the file's last hash is compared with one that was kept elsewhere.
"""

import csv
import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

from shared_apps.audit.chain import links
from shared_apps.audit.errors import ExportError
from shared_apps.audit.exports.rendering import FIELDS, read_cell
from shared_apps.audit.exports.stretches import Stretch

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 100  # problems that are remembered
# In the order in which they are hashed, after tenant and number.
_HASHED = (
    "uid", "created_at", "completed_at", "entity_type", "operation", "record_id", "old_values",
    "new_values", "diff", "modified_by", "attribution", "request_id", "database_role",
    "transaction_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` of the file, of the row's end in CSV; 0: of the file as a whole."""

    line: int
    what: str


@dataclass(slots=True)
class Outcome:
    """What was found in a file."""

    chains: dict[str, Stretch] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    has_more: bool = False
    manifest: dict[str, Any] | None = None
    expected: set[str] = field(default_factory=set)
    """Hashes that some entry must have and none had so far."""

    def add(self, line: int, what: str) -> None:
        if len(self.problems) < _MOST:
            self.problems.append(Problem(line, what))
        else:
            self.has_more = True


def check(path: Path, *, expected: Iterable[str] = ()) -> Outcome:
    """Follow the file from end to end, one entry at a time.

    Raises:
        ExportError: it cannot be read, or is no export.
    """
    outcome = Outcome(expected={text.lower() for text in expected})
    summed = hashlib.sha256()
    try:
        with _opened(path) as file:
            for number, raw, values in _records(file):
                if outcome.manifest is not None:
                    outcome.add(number, "something follows the manifest")
                    break
                if "manifest" in values:
                    outcome.manifest = values["manifest"]
                    _compare(outcome, number, summed.hexdigest())
                    continue
                summed.update(raw)
                if values:
                    _check_entry(outcome, number, values)
    except (OSError, EOFError, zlib.error) as error:
        raise ExportError(f"{path} cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise ExportError(f"{path} is not an export of the audit trail, or was damaged") from error
    if outcome.manifest is None:
        outcome.add(0, "the end is missing: no manifest was found")
    for wanted in sorted(outcome.expected):
        outcome.add(0, f"no entry has the hash {wanted}")
    return outcome


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_compressed:
            yield file
            return
        with gzip.open(file) as plain:
            yield cast(BinaryIO, plain)


def _records(file: BinaryIO) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Line, bytes, and the entry (or the manifest) that they hold; the head of a CSV file holds none."""
    first = file.readline()
    if first.startswith(b"{"):
        yield 1, first, _from_json(first)
        for number, line in enumerate(file, start=2):
            yield number, line, _from_json(line)
        return
    if first.decode().strip() != ",".join(FIELDS):
        raise ValueError("neither JSON nor the head of our CSV")
    yield 1, first, {}
    yield from _from_csv(file)


def _from_json(line: bytes) -> dict[str, Any]:
    value = json.loads(line)
    if "unmapped" in value:
        return {"manifest": json.loads(value["unmapped"]["manifest"])}
    return cast("dict[str, Any]", json.loads(value["raw_data"]) if "raw_data" in value else value)


def _from_csv(file: BinaryIO) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    taken: list[bytes] = []

    def lines() -> Iterator[str]:
        for line in file:
            taken.append(line)
            yield line.decode()

    csv.field_size_limit(sys.maxsize)  # a value may be longer than the module expects
    reader = csv.reader(lines(), strict=True)
    for row in reader:
        raw = b"".join(taken)
        taken.clear()
        if row[0] == "manifest":
            yield reader.line_num + 1, raw, {"manifest": json.loads(row[1])}
        else:
            values: dict[str, Any] = dict(zip(FIELDS, map(read_cell, row), strict=True))
            yield reader.line_num + 1, raw, values | {"sequence": int(values["sequence"])}


def _check_entry(outcome: Outcome, line: int, values: Mapping[str, Any]) -> None:
    stretch = outcome.chains.setdefault(values["tenant_id"], Stretch(values["tenant_id"]))
    sequence, previous, stored = values["sequence"], values["previous_hash"], values["hash"]
    last = stretch.last_sequence
    if sequence == 1 and previous != links.root(UUID(values["tenant_id"])).hex():
        outcome.add(line, "entry 1 does not begin the chain of its tenant")
    if last is not None and sequence <= last:
        outcome.add(line, f"entry {sequence} stands after {last}")
    elif last is not None and sequence == last + 1 and previous != stretch.hash:
        outcome.add(line, f"entry {sequence} does not follow entry {last}")
    if previous is None and last is not None:
        outcome.add(line, f"entry {sequence} does not say which hash it follows")
    if previous is not None and entry_hash(values) != stored:
        outcome.add(line, f"entry {sequence} was changed")
    stretch.add(sequence, previous=previous, own=stored)
    outcome.expected.discard(stored)


def entry_hash(values: Mapping[str, Any]) -> str:
    """What the hash of an entry must be that is written as `rendering.as_fields` does, in hexadecimal."""
    content = b"".join(_netstring(_text(name, values[name])) for name in _HASHED)
    previous, tenant = bytes.fromhex(values["previous_hash"]), UUID(values["tenant_id"])
    return links.linked(previous, links.tenant_part(tenant), values["sequence"], content).hex()


def _text(name: str, value: Any) -> str | None:
    if name not in ("created_at", "completed_at"):
        return None if value is None else str(value)
    return str((datetime.fromisoformat(value) - _EPOCH) // timedelta(microseconds=1))


def _netstring(text: str | None) -> bytes:
    if text is None:
        return b"-"
    data = text.encode()
    return b"%d:%b" % (len(data), data)


def _compare(outcome: Outcome, line: int, summed: str) -> None:
    manifest = outcome.manifest
    assert manifest is not None
    if manifest["sha256"] != summed:
        outcome.add(line, "the bytes before the manifest are not those that it names")
    described = {chain["tenant_id"]: chain for chain in manifest["chains"] if chain["entries"]}
    for tenant_id in sorted(described.keys() | outcome.chains.keys()):
        found = outcome.chains.get(tenant_id)
        if found is None or asdict(found) != described.get(tenant_id):
            outcome.add(line, f"the entries of tenant {tenant_id} are not those of the manifest")
