"""Whether a proof holds: by the file and the public keys alone, no database is asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from shared_apps.audit.anchors import documents, inclusion, keys
from shared_apps.audit.anchors.keys import PublicKey
from shared_apps.audit.chain import links
from shared_apps.audit.errors import AnchorKeyError, ProofError
from shared_apps.audit.exports.checking import entry_hash
from shared_apps.audit.exports.rendering import FIELDS
from shared_apps.audit.proofs.lines import Head, parse_anchored, parse_head

_MOST = 100  # problems that are remembered


@dataclass(frozen=True, slots=True)
class Proven:
    """Entries without a gap that existed, as they are in the file, when the anchor was signed."""

    first: int
    last: int
    hash: str
    """Of the last."""
    anchor: int
    anchored_at: datetime


@dataclass(slots=True)
class Outcome:
    """What was found in a file; without problems all that was asked for is proven."""

    head: Head | None = None
    proven: list[Proven] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    has_more: bool = False

    def add(self, line: int, what: str) -> None:
        if len(self.problems) < _MOST:
            self.problems.append(f"line {line}: {what}" if line else what)
        else:
            self.has_more = True


@dataclass(slots=True)
class _Open:
    """A stretch of entries that no anchor has been seen of yet."""

    first: int
    last: int
    hash: str
    is_sound: bool


def check(path: Path, trusted: Mapping[str, PublicKey]) -> Outcome:
    """Follow the file from end to end, one entry at a time.

    Raises:
        ProofError: it cannot be read, or is no proof.
    """
    checker = _Checker(trusted)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                checker.take(number, json.loads(line))
    except OSError as error:
        raise ProofError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProofError(f"{path} is not a proof, or was damaged") from error
    return checker.end()


@dataclass(slots=True)
class _Checker:
    trusted: Mapping[str, PublicKey]
    outcome: Outcome = field(default_factory=Outcome)
    stretch: _Open | None = None

    def take(self, line: int, said: dict[str, Any]) -> None:
        if self.outcome.head is None:
            self.outcome.head = parse_head(said["freehold_proof"])
        elif "freehold_anchored" in said:
            self._close(line, said["freehold_anchored"], self.outcome.head.tenant_id)
        else:
            self._add(line, said, self.outcome.head.tenant_id)

    def end(self) -> Outcome:
        """What is not there is missed."""
        outcome = self.outcome
        if outcome.head is None:
            outcome.add(0, "the file is empty")
            return outcome
        if self.stretch is not None:
            outcome.add(0, f"entries {self.stretch.first} to {self.stretch.last} lead to no anchor")
        for first, last in outcome.head.asked:
            if not any(one.first <= first and last <= one.last for one in _joined(outcome.proven)):
                named = f"entry {first} is" if first == last else f"entries {first} to {last} are"
                outcome.add(0, f"{named} not proven")
        if not outcome.head.asked:
            outcome.add(0, "it says nothing of which entries it is about")
        return outcome

    def _add(self, line: int, values: dict[str, Any], tenant_id: UUID) -> None:
        sequence, before, own = values["sequence"], values["previous_hash"], values["hash"]
        problem = self._problem(values, tenant_id)
        if problem:
            self.outcome.add(line, problem)
        if self.stretch is None:
            self.stretch = _Open(sequence, sequence, own, not problem)
            return
        if sequence != self.stretch.last + 1 or before != self.stretch.hash:
            self.outcome.add(line, f"entry {sequence} does not follow entry {self.stretch.last}")
            self.stretch.is_sound = False
        self.stretch.is_sound &= not problem
        self.stretch.last, self.stretch.hash = sequence, own

    def _problem(self, values: dict[str, Any], tenant_id: UUID) -> str:
        sequence = values["sequence"]
        if values["tenant_id"] != str(tenant_id):
            return f"entry {sequence} is another tenant's"
        if sequence == 1 and values["previous_hash"] != links.root(tenant_id).hex():
            return "entry 1 does not begin the chain of its tenant"
        if values.keys() != set(FIELDS):
            return f"entry {sequence} has fields that nothing proves, or lacks some"
        if entry_hash(values) != values["hash"]:
            return f"entry {sequence} was changed"
        return ""

    def _close(self, line: int, said: Any, tenant_id: UUID) -> None:
        anchored = parse_anchored(said, tenant_id)
        end, stretch = anchored.end, self.stretch
        self.stretch = None
        try:
            statement = documents.parse_claims(keys.opened(anchored.signed, self.trusted))
            root = inclusion.root_by(
                end, index=anchored.index, count=statement.ends, path=anchored.path
            )
        except (AnchorKeyError, ValueError) as error:
            self.outcome.add(line, f"the anchor of entry {end.sequence}: {error}")
            return
        if root != statement.root:
            self.outcome.add(line, f"anchor {statement.counter} does not have this end")
        elif stretch is None or (stretch.last, stretch.hash) != (end.sequence, end.hash.hex()):
            self.outcome.add(line, f"the entries before it do not lead to the end {end.sequence}")
        elif stretch.is_sound:
            self.outcome.proven.append(
                Proven(
                    stretch.first, stretch.last, stretch.hash, statement.counter, statement.taken_at
                )
            )


@dataclass(frozen=True, slots=True)
class _Run:
    first: int
    last: int


def _joined(proven: list[Proven]) -> list[_Run]:
    """Stretches that follow each other are one run."""
    found: list[_Run] = []
    for one in sorted(proven, key=lambda one: one.first):
        if found and one.first <= found[-1].last + 1:
            found[-1] = _Run(found[-1].first, max(found[-1].last, one.last))
        else:
            found.append(_Run(one.first, one.last))
    return found
