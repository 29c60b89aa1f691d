"""A backup's dumps into empty databases, and whether they hold then what they held."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared_apps.operations.backup import contents, tools
from shared_apps.operations.backup.manifest import DatabaseDump, Dump, Manifest
from shared_apps.operations.backup.sources import Source

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a table, by the backup's own numbers."""

    database: str
    schema: str
    table: str
    problem: str

    def __str__(self) -> str:
        return f"{self.database}: {self.schema}.{self.table}: {self.problem}"


def unpack(
    path: Path, stated: Manifest, targets: Mapping[str, Source], *, jobs: int, report: Report
) -> None:
    """Fill the databases, which are empty.

    Raises:
        tools.ToolFailedError: pg_restore refuses something; they are half filled.
    """
    for key, dumped in _databases(stated):
        first, *others = dumped.dumps
        _restore(path / first.file, targets[key], jobs)
        report(f"{key}: {first.schemas[0]} restored")
        if len(others) == 1:
            _restore(path / others[0].file, targets[key], jobs)
            report(f"{key}: {_named(others[0])} restored")
            continue
        with ThreadPoolExecutor(jobs) as pool:
            running = {
                pool.submit(_restore, path / dump.file, targets[key], 1): dump for dump in others
            }
            for number, done in enumerate(as_completed(running), start=1):
                done.result()
                report(f"{key}: [{number}/{len(others)}] {_named(running[done])} restored")


def _named(dump: Dump) -> str:
    first, *more = dump.schemas
    return f"{first} and {len(more)} more" if more else first


def _restore(file: Path, target: Source, jobs: int) -> None:
    arguments: list[str | Path] = ["--exit-on-error", "--no-owner", "--no-comments"]
    arguments += [f"--jobs={jobs}", file]
    # Nothing depends on it before the databases are renamed, and that waits for the disk.
    tools.run("pg_restore", target, arguments, options="-c synchronous_commit=off")


def compare(
    stated: Manifest, targets: Mapping[str, Source], *, jobs: int, report: Report
) -> list[Difference]:
    """Count and check the rows of every table again; what differs from the moment of the backup."""
    found: list[Difference] = []
    for key, dumped in _databases(stated):
        target = targets[key]
        with target.connect() as connection:
            present = {schema.name for schema in contents.list_schemas(connection)}
        missing = sorted(dumped.contents.keys() - present)
        found += [Difference(key, schema, "*", "is missing") for schema in missing]
        wanted = sorted(dumped.contents.keys() & present)
        with ThreadPoolExecutor(jobs) as pool:
            found_there = pool.map(partial(_measure, target), wanted)
            measured = dict(zip(wanted, found_there, strict=True))
        for schema, tables in measured.items():
            found += _differences(key, schema, dumped.contents[schema], tables)
        report(f"{key}: {len(wanted)} schemas compared")
    return found


def _measure(target: Source, schema: str) -> contents.Contents:
    with target.connect() as connection:
        contents.set_forms(connection)
        return contents.measure(connection, schema)


def _differences(
    key: str, schema: str, wanted: contents.Contents, found: contents.Contents
) -> Iterator[Difference]:
    for table in sorted(wanted.keys() | found.keys()):
        before, now = wanted.get(table), found.get(table)
        if before == now:
            continue
        if before is None:
            yield Difference(key, schema, table, "should not be there")
        elif now is None:
            yield Difference(key, schema, table, "is missing")
        elif before[0] != now[0]:
            yield Difference(key, schema, table, f"has {now[0]} rows instead of {before[0]}")
        else:
            yield Difference(key, schema, table, f"has other values in its {now[0]} rows")


def _databases(stated: Manifest) -> list[tuple[str, DatabaseDump]]:
    return [("application", stated.application), ("audit", stated.audit)]
