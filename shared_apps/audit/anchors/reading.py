"""Anchors as somebody kept them: in a directory, a bucket or a syslog server's log. What is wrong is told."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared_apps.audit.anchors import documents, keys
from shared_apps.audit.anchors.documents import End, Statement
from shared_apps.audit.anchors.keys import PublicKey
from shared_apps.audit.anchors.places import directory
from shared_apps.audit.anchors.places.s3.bucket import Bucket
from shared_apps.audit.errors import (
    AnchorKeyError,
    AnchorPlaceError,
    AnchorPlaceUnavailableError,
)


@dataclass(frozen=True, slots=True)
class Anchor:
    statement: Statement
    ends: tuple[End, ...]
    """In the order in which they are hashed."""
    signed: str
    """The statement as it was signed."""


@dataclass(slots=True)
class Reader:
    """Iterate over it once: the anchors that are good; then `problems` are known, and `first` and `last`."""

    sources: Iterable[Path | Bucket]
    keys: Mapping[str, PublicKey]
    problems: list[str] = field(default_factory=list)
    first: Statement | None = None
    last: Statement | None = None

    def __iter__(self) -> Iterator[Anchor]:
        seen: dict[int, tuple[str, str]] = {}
        for jws, ends in self._documents():
            try:
                statement = documents.parse_claims(keys.opened(jws, self.keys))
            except (AnchorKeyError, ValueError) as error:
                self.problems.append(f"{_named(jws)}: {error}")
                continue
            name = f"anchor {statement.counter} of {statement.taken_at:%Y-%m-%d %H:%M:%S}"
            own = (documents.digest(jws).hex(), statement.previous)
            if seen.setdefault(statement.counter, own) != own:
                self.problems.append(f"{name}: there are two of this number")
            fitting = tuple(sorted(ends))
            if (len(fitting), documents.root(fitting)) != (statement.ends, statement.root):
                self.problems.append(f"{name}: its ends are altered or not complete")
                continue
            yield Anchor(statement, fitting, jws)
            self._follow(statement)
        self._find_gaps(seen)

    def _follow(self, statement: Statement) -> None:
        if self.first is None or statement.counter < self.first.counter:
            self.first = statement
        if self.last is None or statement.counter > self.last.counter:
            self.last = statement

    def _find_gaps(self, seen: Mapping[int, tuple[str, str]]) -> None:
        numbers = sorted(seen)
        for before, number in itertools.pairwise(numbers):
            if number > before + 1:
                missing = f"{before + 1}" if number == before + 2 else f"{before + 1}-{number - 1}"
                self.problems.append(f"anchor {missing}: missing")
            elif seen[number][1] != seen[before][0]:
                self.problems.append(
                    f"anchor {number}: anchor {before} is not the one that it follows"
                )

    def _documents(self) -> Iterator[tuple[str, set[End]]]:
        """Signed statements with the ends of the same number; the same one twice is one."""
        done: set[bytes] = set()
        for lines in _texts(self.sources):
            # An anchor's ends come after it. More than it speaks of are somebody else's.
            waiting: dict[str, tuple[int, int, set[End]]] = {}
            for line in lines:
                found = documents.parse_line(line)
                if isinstance(found, str):
                    if documents.digest(found) not in done:
                        waiting.setdefault(found, (*_claims(found), set()))
                elif found is not None:
                    for number, _, ends in waiting.values():
                        if number == found[0]:
                            ends.update(found[1])
                for jws in [jws for jws, (_, most, ends) in waiting.items() if len(ends) >= most]:
                    done.add(documents.digest(jws))
                    yield jws, waiting.pop(jws)[2]
            for jws, (_, _, ends) in waiting.items():
                done.add(documents.digest(jws))
                yield jws, ends


def first_statement(document: str) -> tuple[Statement, str] | None:
    """What a document begins with, unproven, and as it was signed; None: it is something else."""
    found = documents.parse_line(document.partition("\n")[0])
    if not isinstance(found, str):
        return None
    try:
        return documents.parse_claims(keys.unproven(found)), found
    except ValueError:
        return None


def _texts(sources: Iterable[Path | Bucket]) -> Iterator[Iterable[str]]:
    """The lines of each file and object."""
    for source in sources:
        if isinstance(source, Bucket):
            yield from map(str.splitlines, _objects(source))
        elif source.is_dir():
            yield from map(_lines, sorted(source.glob(directory.PATTERN)))
        elif source.exists():
            yield _lines(source)
        else:
            raise AnchorPlaceError(f"{source}: there is no such file or directory")


def _objects(bucket: Bucket) -> Iterator[str]:
    try:
        yield from bucket.documents()
    except AnchorPlaceUnavailableError as error:
        raise AnchorPlaceError(f"{bucket.name} cannot be read: {error.text}") from error


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(errors="replace") as file:
            yield from file
    except OSError as error:
        raise AnchorPlaceError(f"{path} cannot be read: {error.strerror}") from error


def _claims(jws: str) -> tuple[int, int]:
    """Number and count of ends, as it says itself; zeros: it cannot be read."""
    try:
        statement = documents.parse_claims(keys.unproven(jws))
        return statement.counter, statement.ends
    except ValueError:
        return 0, 0


def _named(jws: str) -> str:
    number, _ = _claims(jws)
    return f"anchor {number}" if number else "an anchor that cannot be read"
